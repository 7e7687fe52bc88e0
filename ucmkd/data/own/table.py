"""A table in a text file, read as text, and refused wherever it could be meant in two ways."""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ucmkd.data.own.entry import Entry
from ucmkd.data.own.names import no_such
from ucmkd.data.own.splits import SPLIT_NAMES
from ucmkd.errors import DataError

DELIMITERS = (",", ";", "\t", "|")


@dataclass(frozen=True)
class Table:
    """Cells by column.

    Attributes
    ----------
    path : Path
    columns : dict of lists of str
    lines : list of int
        The line of the file that each row starts on.
    """

    path: Path
    columns: dict[str, list[str]]
    lines: list[int]

    def column(self, name: str, setting: str) -> list[str]:
        """Find the column that a setting names.

        Raises
        ------
        ConfigError
            If there is none, with the nearest.
        """
        if name not in self.columns:
            raise no_such(f"{self.path}: {setting}", "column", name, list(self.columns))
        return self.columns[name]


def read_table(path: Path, delimiter: str) -> Table:
    """Read a table with a heading, in UTF-8.

    Raises
    ------
    DataError
        For other encodings and delimiters, no rows, rows of another length, names of columns that are missing
        or stand twice, quotes left open.
    """
    text = _read(path)
    rows = list(_rows(text, delimiter, path))
    if not rows:
        raise DataError(f"{path}: is empty; give it a heading and rows")
    heading = [name.strip() for name in rows[0][1]]
    _refuse_delimiter(path, text, delimiter, len(heading))
    for position, name in enumerate(heading, start=1):
        if not name:
            raise DataError(f"{path}: column {position} has no name; name it or delete it")
        if heading.count(name) > 1:
            raise DataError(f"{path}: column '{name}' stands there twice; rename or delete one")
    if len(rows) == 1:
        raise DataError(f"{path}: has a heading and no rows; add them")
    for line, cells in rows[1:]:
        if len(cells) != len(heading):
            raise DataError(
                f"{path}: line {line} has {len(cells)} cells and the heading {len(heading)}; mend the line, "
                "or put cells that hold the delimiter in quotes"
            )
    columns = {name: [cells[i] for _, cells in rows[1:]] for i, name in enumerate(heading)}
    return Table(path, columns, [line for line, _ in rows[1:]])


def detect_delimiter(path: Path) -> str:
    """Guess the delimiter: the one that divides the heading into most names."""
    return _likely_delimiter(_read(path))


def table_entries(
    table: Table,
    contents: Sequence[str],
    *,
    label: str,
    split: str | None,
    group: str | None,
    pair: str | None,
    name: str | None,
) -> list[Entry]:
    """Make the samples of a table from the columns that the settings name; None for no such column.

    Raises
    ------
    ConfigError
        If a column is not there.
    DataError
        If one of their cells is empty, or a split is unknown.
    """
    labels = _filled(table, label, "label")
    splits = [None] * len(labels) if split is None else _splits(table, split)
    groups = [None] * len(labels) if group is None else _filled(table, group, "group")
    pairs = [None] * len(labels) if pair is None else _filled(table, pair, "pair")
    names = [f"line{line}" for line in table.lines] if name is None else _filled(table, name, "id")
    return [
        Entry(
            row=row,
            name=names[row],
            label=labels[row],
            split=splits[row],
            group=groups[row],
            pair=pairs[row],
            content=contents[row],
        )
        for row in range(len(labels))
    ]


def _read(path: Path) -> str:
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataError(f"{path}: line {line} is not UTF-8; save the file with that encoding") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    if "\0" in text:
        raise DataError(f"{path}: holds bytes of value 0, so it is not a text in UTF-8; save it as CSV again")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _rows(text: str, delimiter: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Give the line each row starts on, and its cells; empty lines are passed over."""
    lines = (f"{line}\n" for line in text.split("\n"))  # splitlines also cuts at signs that texts may hold
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    start = 1
    try:
        for cells in reader:
            if cells:
                yield start, cells
            start = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path}: line {start}: {error}; look for a quote that is not closed") from None


def _refuse_delimiter(path: Path, text: str, delimiter: str, columns: int) -> None:
    better = _likely_delimiter(text)
    if columns == 1 and better != delimiter and better in text.split("\n", 1)[0]:
        shown = json.dumps(better)  # as YAML reads it
        raise DataError(
            f"{path}: the delimiter {json.dumps(delimiter)} divides nothing and {shown} would; set "
            f"delimiter: {shown}"
        )


def _likely_delimiter(text: str) -> str:
    return max(DELIMITERS, key=text.split("\n", 1)[0].count)


def _filled(table: Table, name: str, setting: str) -> list[str]:
    cells = table.column(name, setting)
    for line, cell in zip(table.lines, cells, strict=True):
        if not cell.strip():
            raise DataError(f"{table.path}: line {line}, column '{name}' is empty; fill it")
    return cells


def _splits(table: Table, name: str) -> list[str]:
    cells = _filled(table, name, "split")
    for line, cell in zip(table.lines, cells, strict=True):
        if cell.strip().casefold() not in SPLIT_NAMES:
            raise DataError(
                f"{table.path}: line {line}, column '{name}': '{cell}' is no split; write train, val or test"
            )
    return [SPLIT_NAMES[cell.strip().casefold()] for cell in cells]
