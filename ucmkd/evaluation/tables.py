"""How the tables of a summary are written and read."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
from pyarrow.csv import write_csv

from ucmkd import evaluation
from ucmkd.data.regimes import alone_in, find_regime, is_alone
from ucmkd.errors import RecordError
from ucmkd.files import atomic_file

Tables = dict[str, pd.DataFrame]
Block = tuple[str, str]
"""A pair and a regime."""


def write_table(folder: str | Path, name: str, table: pd.DataFrame) -> None:
    """Write ``<folder>/<name>.csv``, completely or not at all; what is not known is an empty field."""
    with atomic_file(Path(folder) / f"{name}.csv") as temporary:
        write_csv(pa.Table.from_pandas(table, preserve_index=False), temporary)


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
        return pd.read_csv(path, keep_default_na=False, na_values=[""])
    except FileNotFoundError:
        raise RecordError(f"{path}: no such table; run the rule that summarises the records") from None


def regimes_by_pair(tables: Tables) -> dict[str, list[str]]:
    """List the regimes of every pair, in the order of the runs; ``alone`` only where there is no other."""
    cells = tables["costs"][["pair", "regime"]].drop_duplicates()
    regimes = {str(pair): list(map(str, rows)) for pair, rows in cells.groupby("pair", sort=False).regime}
    return {pair: [each for each in rows if not is_alone(each)] or rows for pair, rows in regimes.items()}


def of_block(table: pd.DataFrame, block: Block) -> pd.DataFrame:
    """Select a block's rows of a table, with those of students trained alone that are shown the same."""
    pair, regime = block
    return table[(table.pair == pair) & table.regime.isin([regime, alone_in(find_regime(regime)).name])]
