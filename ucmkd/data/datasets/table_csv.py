"""Your own table of numbers, with a column of classes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ucmkd.data.base import Samples
from ucmkd.data.own.labels import rename
from ucmkd.data.own.table import Table, read_table, table_entries
from ucmkd.data.own.table_dataset import TableDataset, TableSettings
from ucmkd.errors import ConfigError, DataError

_NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Settings(TableSettings):
    """``columns``: those that are inputs; all that have no other part, if none is named."""

    columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.columns:
            if name in self.other_parts().values():
                raise ValueError(f"column '{name}' is an input and has another part too; choose one")
            if self.columns.count(name) > 1:
                raise ValueError(f"columns names '{name}' twice; keep one")

    def other_parts(self) -> dict[str, str]:
        """Name the columns that are no inputs, by setting."""
        parts = {name: getattr(self, name) for name in ("label", "split", "group", "pair", "id")}
        return {name: column for name, column in parts.items() if column is not None}


class Dataset(TableDataset[Settings]):
    """Rows of numbers (columns,)."""

    modality = "tabular"
    title = "Table of numbers"
    Settings = Settings

    def load(self) -> Samples:
        """Read the numbers in the order of the lines."""
        s = self.settings
        table = read_table(self.existing(), s.delimiter)
        for setting, name in s.other_parts().items():
            table.column(name, setting)
        others = s.other_parts().values()
        features = s.columns or tuple(name for name in table.columns if name not in others)
        if not features:
            raise ConfigError(
                f"{table.path}: no column is left for the inputs; known: {', '.join(table.columns)}"
            )
        inputs = np.stack([_numbers(table, name) for name in features], axis=1)
        contents = [row.tobytes().hex() for row in inputs]
        entries = table_entries(
            table, contents, label=s.label, split=s.split, group=s.group, pair=s.pair, name=s.id
        )
        entries, classes, dropped = rename(entries, s, str(table.path))
        return self.arrange(inputs[[entry.row for entry in entries]], entries, classes, dropped)


def _numbers(table: Table, name: str) -> NDArray[np.float32]:
    cells = table.column(name, "columns")
    if not all(map(_NUMBER.fullmatch, cells)):
        raise _no_number(table, name, cells)
    with np.errstate(over="ignore"):
        numbers = np.array([float(cell) for cell in cells]).astype(np.float32)
    if not np.isfinite(numbers).all():
        row = int(np.flatnonzero(~np.isfinite(numbers))[0])
        raise DataError(
            f"{table.path}: line {table.lines[row]}, column '{name}': {cells[row]} is beyond what single "
            "precision holds; scale the column"
        )
    return numbers


def _no_number(table: Table, name: str, cells: Sequence[str]) -> DataError:
    row = next(row for row, cell in enumerate(cells) if not _NUMBER.fullmatch(cell))
    what = f"'{cells[row]}' is not a number" if cells[row].strip() else "the cell is empty"
    return DataError(
        f"{table.path}: line {table.lines[row]}, column '{name}': {what}; fill it, delete the line, or name "
        "the columns that are inputs in the setting columns"
    )
