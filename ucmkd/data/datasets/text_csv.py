"""Your own texts: a table with a column of texts and a column of classes."""

from dataclasses import dataclass

from ucmkd.data.base import Samples
from ucmkd.data.own.labels import rename
from ucmkd.data.own.settings import at_least
from ucmkd.data.own.table import Table, read_table, table_entries
from ucmkd.data.own.table_dataset import TableDataset, TableSettings
from ucmkd.data.words import number_words
from ucmkd.errors import DataError

LONGEST = 100_000
"""Signs of a text; a longer one is more likely a damaged table."""


@dataclass(frozen=True, kw_only=True)
class Settings(TableSettings):
    """``text``: the column of texts; ``length``: words that are kept of a text."""

    text: str = "text"
    length: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, {"length": 1})


class Dataset(TableDataset[Settings]):
    """Numbers of words (length,), and the raw texts."""

    modality = "text"
    title = "Table of texts"
    Settings = Settings

    def load(self) -> Samples:
        """Read the texts in the order of the lines."""
        s = self.settings
        table = read_table(self.existing(), s.delimiter)
        texts = _texts(table, s.text)
        entries = table_entries(
            table, texts, label=s.label, split=s.split, group=s.group, pair=s.pair, name=s.id
        )
        entries, classes, dropped = rename(entries, s, str(table.path))
        kept = [texts[entry.row] for entry in entries]
        return self.arrange(number_words(kept, length=s.length), entries, classes, dropped, kept)


def _texts(table: Table, column: str) -> list[str]:
    texts = table.column(column, "text")
    for line, text in zip(table.lines, texts, strict=True):
        if not text.strip():
            raise DataError(
                f"{table.path}: line {line}, column '{column}': the text is empty; delete the line"
            )
        if len(text) > LONGEST:
            raise DataError(
                f"{table.path}: line {line}, column '{column}': {len(text)} signs are more than a text may "
                f"have ({LONGEST}); cut it, or look for a quote that is not closed"
            )
    return texts
