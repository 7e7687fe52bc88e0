"""Your own sounds: a folder of classes, ``FOLDER/<class>/<file>``, or the same in train, val and test."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ucmkd.data.audio import SUFFIXES, fit_length, read_audio, spectrogram
from ucmkd.data.own.files_dataset import FilesDataset, FolderSettings
from ucmkd.data.own.settings import at_least


@dataclass(frozen=True, kw_only=True)
class Settings(FolderSettings):
    """How sounds are pictured.

    Attributes
    ----------
    sample_rate : int
        In hertz; sounds of another rate are resampled.
    seconds : float or None
        The middle of the sound that is kept; None for all of it.
    window : int
        Samples a frame.
    bands, frames : int
        Height and width of the picture; frames lie evenly over the sound.
    """

    sample_rate: int = 16000
    seconds: float | None = None
    window: int = 1024
    bands: int = 32
    frames: int = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, {"sample_rate": 1000, "seconds": 0.01, "window": 16, "bands": 4, "frames": 4})


class Dataset(FilesDataset[Settings]):
    """Log-mel pictures (1, bands, frames), in bel."""

    modality = "audio"
    title = "Folder of sounds"
    suffixes, files_are, number = SUFFIXES, "sounds", "float32"
    reading = ("sample_rate", "seconds", "window", "bands", "frames")
    Settings = Settings

    @property
    def shape(self) -> tuple[int, ...]:
        """One channel, bands, frames."""
        return (1, self.settings.bands, self.settings.frames)

    def reader(self) -> Callable[[str], NDArray[Any]]:
        """Read a sound and picture it."""
        return partial(read_picture, settings=self.settings)


def read_picture(path: str, *, settings: Settings) -> NDArray[np.float32]:
    """Read a sound as a log-mel picture, shape (1, bands, frames)."""
    s = settings
    waveform = read_audio(path, sample_rate=s.sample_rate)
    if s.seconds is not None:
        waveform = fit_length(waveform, round(s.seconds * s.sample_rate))
    return spectrogram(waveform, sample_rate=s.sample_rate, window=s.window, bands=s.bands, frames=s.frames)
