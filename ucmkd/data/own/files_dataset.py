"""A dataset of one file a sample in folders of classes."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from ucmkd.data.base import Samples
from ucmkd.data.extraction import extract
from ucmkd.data.own.dataset import OwnDataset
from ucmkd.data.own.duplicates import file_contents
from ucmkd.data.own.entry import Entry
from ucmkd.data.own.files import existing, find_files, name_parts, stamp
from ucmkd.data.own.labels import rename
from ucmkd.data.own.settings import OwnSettings, check_patterns, expanded
from ucmkd.settings import plain


@dataclass(frozen=True, kw_only=True)
class FolderSettings(OwnSettings):
    """``folder``: holds ``<class>/<file>``, or ``<class>/<file>`` in train, val and test."""

    folder: str

    def __post_init__(self) -> None:
        super().__post_init__()
        check_patterns({"group": self.group, "pair": self.pair})


F = TypeVar("F", bound=FolderSettings)


class FilesDataset(OwnDataset[F]):
    """A dataset whose samples are files; a file that cannot be read is skipped and reported.

    Attributes
    ----------
    suffixes : tuple of str
        Of the files that are read.
    files_are : str
        What they are, in messages.
    number : str
        The type their arrays are stored in.
    reading : tuple of str
        The settings that :meth:`reader` depends on.
    """

    parallel = True
    suffixes: ClassVar[tuple[str, ...]]
    files_are: ClassVar[str]
    number: ClassVar[str]
    reading: ClassVar[tuple[str, ...]]

    @property
    def place(self) -> Path:
        """The folder."""
        return expanded(self.settings.folder)

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """The shape of a sample."""

    @abstractmethod
    def reader(self) -> Callable[[str], NDArray[Any]]:
        """Give the function that reads a file, which other processes can be sent."""

    def stamp(self) -> str:
        """Change with the names, sizes and times of the files."""
        found, _ = find_files(existing(self.place, is_folder=True), self.suffixes, self.files_are)
        return stamp(self.place, (self.place / file.path for file in found))

    def load(self) -> Samples:
        """Read the files in order of their names."""
        folder = existing(self.place, is_folder=True)
        found, skipped = find_files(folder, self.suffixes, self.files_are)
        groups = name_parts(found, self.settings.group, "group", folder)
        pairs = name_parts(found, self.settings.pair, "pair", folder)
        entries = [
            Entry(
                row=row,
                name=file.path,
                label=file.label,
                split=file.split,
                group=groups[row],
                pair=pairs[row],
            )
            for row, file in enumerate(found)
        ]
        entries, classes, dropped = rename(entries, self.settings, str(folder))
        paths = [folder / entry.name for entry in entries]
        settings = plain(self.settings)
        key = {"stamp": stamp(folder, paths), "settings": {name: settings[name] for name in self.reading}}
        extracted = extract(
            [str(path) for path in paths],
            self.reader(),
            shape=self.shape,
            dtype=self.number,
            key=key,
            workspace=self.workspace,
        )
        damaged = {str(Path(path).relative_to(folder)): why for path, why in extracted.skipped.items()}
        kept = extracted.kept.tolist()
        contents = file_contents([paths[row] for row in kept])
        entries = [
            replace(entries[row], content=content) for row, content in zip(kept, contents, strict=True)
        ]
        inputs: NDArray[np.generic] = extracted.inputs
        return self.arrange(inputs, entries, classes, skipped | dropped | damaged)
