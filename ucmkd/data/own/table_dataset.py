"""A dataset of one line of a table a sample."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ucmkd.data.own.dataset import OwnDataset
from ucmkd.data.own.files import existing, stamp
from ucmkd.data.own.settings import OwnSettings, expanded


@dataclass(frozen=True, kw_only=True)
class TableSettings(OwnSettings):
    """Where the table is, and what its columns are; a column that is null is not there.

    Attributes
    ----------
    file : str
        In UTF-8, with a heading.
    delimiter : str
        One sign.
    label, split, id : str
        Columns: the class; train, val or test; a unique name.
    """

    file: str
    delimiter: str = ","
    label: str = "label"
    split: str | None = None
    id: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.delimiter) != 1 or self.delimiter in '"\r\n':
            raise ValueError(
                f"delimiter is '{self.delimiter}'; give one sign, and neither a quote nor a line's end"
            )


T = TypeVar("T", bound=TableSettings)


class TableDataset(OwnDataset[T]):
    """A dataset that is one table."""

    @property
    def place(self) -> Path:
        """The file."""
        return expanded(self.settings.file)

    def stamp(self) -> str:
        """Change with the size and time of the file."""
        return stamp(self.place.parent, [self.place])

    def existing(self) -> Path:
        """Give the file, or refuse to go on without it."""
        return existing(self.place)
