"""The table of everything that tuning tried."""

import json
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from ucmkd.errors import RecordError
from ucmkd.files import read_json

COLUMNS = (
    "pair",
    "regime",
    "method",
    "label",
    "trial",
    "seed",
    "rate",
    "changes",
    "val_accuracy",
    "val_nll",
    "chosen",
)


def trials_table(folders: Iterable[str | Path]) -> pd.DataFrame:
    """List every trial, one student a row; ``rate`` is the factor of the learning rate, ``changes`` JSON.

    Parameters
    ----------
    folders : iterable of path
        Each with ``records.json`` and ``best.json``, see :func:`ucmkd.training.tune.tune`.

    Raises
    ------
    DataError, RecordError
        If a file is missing or damaged.
    """
    rows = []
    for folder in map(Path, folders):
        best = read_json(folder / "best.json")
        for record in read_json(folder / "records.json"):
            try:
                rows.append(
                    (
                        record["pair"],
                        record["regime"],
                        record["method"],
                        record["label"],
                        record["trial"],
                        record["seed"],
                        record["choice"]["rate"],
                        json.dumps(record["choice"]["changes"], sort_keys=True),
                        record["scores"]["val"]["accuracy"],
                        record["scores"]["val"]["nll"],
                        record["trial"] == best["trial"],
                    )
                )
            except (KeyError, TypeError) as error:
                raise RecordError(
                    f"{folder / 'records.json'}: damaged ({error!r}); delete {folder} and run again"
                ) from None
    return pd.DataFrame(rows, columns=list(COLUMNS))
