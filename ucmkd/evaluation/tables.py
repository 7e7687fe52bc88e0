"""How the tables of a summary are written and read."""

from pathlib import Path

import pandas as pd

from ucmkd import evaluation
from ucmkd.errors import RecordError
from ucmkd.files import atomic_file

Tables = dict[str, pd.DataFrame]


def write_table(folder: str | Path, name: str, table: pd.DataFrame) -> None:
    """Write ``<folder>/<name>.csv``, completely or not at all; what is not known is an empty field."""
    with atomic_file(Path(folder) / f"{name}.csv") as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")


def read_tables(folder: str | Path) -> Tables:
    """Read every table of a summary.

    Raises
    ------
    RecordError
        If one is missing.
    """
    return {name: _read(Path(folder) / f"{name}.csv") for name in evaluation.TABLES}


def _read(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, keep_default_na=False, na_values=[""], float_precision="round_trip")
    except FileNotFoundError:
        raise RecordError(f"{path}: no such table; run the rule that summarises the records") from None
