"""The table of closed forms against simulation."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ucmkd.errors import DataError, RecordError
from ucmkd.files import read_json

WORDS = ("kind", "case", "estimator")
COLUMNS = ("kind", "case", "x", "estimator", "closed_form", "simulated", "low", "high")
KINDS = ("risk", "information")


def simulation_table(files: Iterable[str | Path]) -> pd.DataFrame:
    """List the rows of simulations; nothing but the heading where there are no files.

    Raises
    ------
    RecordError
        If a file is missing or damaged.
    """
    rows = [row for path in files for row in _rows(Path(path))]
    types = {column: object if column in WORDS else np.float64 for column in COLUMNS}
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(types)


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        rows = read_json(path)["rows"]
    except DataError as error:
        raise RecordError(str(error)) from None
    except (KeyError, TypeError) as error:
        raise _damaged(path, f"no rows: {error!r}") from None
    if not isinstance(rows, list):
        raise _damaged(path, "not a list of rows")
    for number, row in enumerate(rows):
        if not isinstance(row, dict) or set(row) != set(COLUMNS):
            raise _damaged(path, f"row {number} has not the columns {', '.join(COLUMNS)}")
        words, numbers = [row[name] for name in WORDS], [row[name] for name in COLUMNS if name not in WORDS]
        if not all(isinstance(word, str) for word in words) or row["kind"] not in KINDS:
            raise _damaged(path, f"row {number} names no known kind, case and estimator: {words}")
        if not all(type(each) in (int, float) and np.isfinite(each) for each in numbers):
            raise _damaged(path, f"row {number} has something else than finite numbers: {numbers}")
    return rows


def _damaged(path: Path, why: str) -> RecordError:
    return RecordError(f"{path}: damaged ({why}); delete it and run again")
