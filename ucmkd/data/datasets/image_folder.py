"""Your own images: a folder of classes, ``FOLDER/<class>/<file>``, or the same in train, val and test."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from numpy.typing import NDArray

from ucmkd.data.images import SUFFIXES, read_image
from ucmkd.data.own.files_dataset import FilesDataset, FolderSettings
from ucmkd.data.own.settings import at_least


@dataclass(frozen=True, kw_only=True)
class Settings(FolderSettings):
    """``size``: height and width in pixels; ``channels``: 1 for grey levels, 3 for colours."""

    size: int = 32
    channels: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, {"size": 4})
        if self.channels not in (1, 3):
            raise ValueError(f"channels is {self.channels}; give 1 for grey levels or 3 for colours")


class Dataset(FilesDataset[Settings]):
    """Images (channels, size, size) of bytes."""

    modality = "image"
    title = "Folder of images"
    suffixes, files_are, number = SUFFIXES, "images", "uint8"
    reading = ("size", "channels")
    Settings = Settings

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, height, width."""
        return (self.settings.channels, self.settings.size, self.settings.size)

    def reader(self) -> Callable[[str], NDArray[Any]]:
        """Read an image."""
        return partial(read_image, size=self.settings.size, channels=self.settings.channels)
