"""Your own texts: a table with a column of texts and a column of classes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ucmkd.data.base import Samples
from ucmkd.data.own.files import stamp
from ucmkd.data.own.labels import rename
from ucmkd.data.own.settings import at_least, expanded
from ucmkd.data.own.table import Table, read_table, table_entries
from ucmkd.data.own.table_dataset import TableDataset, TableSettings
from ucmkd.data.tokens import number_tokens, tokenizer_files
from ucmkd.data.words import number_words
from ucmkd.errors import DataError

LONGEST = 100_000
"""Signs of a text; a longer one is more likely a damaged table."""


@dataclass(frozen=True, kw_only=True)
class Settings(TableSettings):
    """How texts become numbers.

    Attributes
    ----------
    text : str
        The column of texts.
    length : int
        Words that are kept of a text, or tokens if there is a tokenizer.
    tokenizer : str, optional
        The folder of a tokenizer of the transformers library, as the encoder ``language_model`` needs it;
        None numbers words.
    """

    text: str = "text"
    length: int = 64
    tokenizer: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, {"length": 1})


class Dataset(TableDataset[Settings]):
    """Numbers of words or of tokens (length,), and the raw texts."""

    modality = "text"
    title = "Table of texts"
    Settings = Settings

    def stamp(self) -> str:
        """Change with the sizes and times of the table and of the tokenizer's files."""
        if self.settings.tokenizer is None:
            return super().stamp()
        return stamp(self.place.parent, [self.place, *tokenizer_files(expanded(self.settings.tokenizer))])

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
        inputs, how = _numbers(kept, s)
        samples = self.arrange(inputs, entries, classes, dropped, kept)
        self.quirks += how
        return samples


def _numbers(texts: list[str], s: Settings) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    if s.tokenizer is None:
        return number_words(texts, length=s.length), ()
    numbers, cut = number_tokens(texts, s.tokenizer, length=s.length)
    how = f"Inputs are tokens of the tokenizer of {s.tokenizer}, numbered from 1."
    return numbers, (how, f"{cut} texts are longer than {s.length} tokens and are cut.") if cut else (how,)


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
