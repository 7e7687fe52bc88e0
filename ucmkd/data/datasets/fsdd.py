"""Spoken digits recorded from six people: the Free Spoken Digit Dataset."""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ucmkd.data import base
from ucmkd.data.audio import read_audio, spectrogram
from ucmkd.data.base import Samples
from ucmkd.data.datasets.handwritten_digits import DIGITS
from ucmkd.data.upstream import Archive, Upstream
from ucmkd.errors import DataError

SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
NAME = re.compile(rf"([0-9])_({'|'.join(SPEAKERS)})_[0-9]+\.wav")
SAMPLE_RATE = 8000
COMMIT = "26eb9aaf76e81b692f806f9140c2d2777410d7a1"

Speaker = Literal["george", "jackson", "lucas", "nicolas", "theo", "yweweler"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Who is held out, and the size of the pictures.

    Attributes
    ----------
    test_speaker : str
        One of the six; six folds in all.
    val_speaker : str, optional
        Another one. Without it who follows the test speaker in the alphabet, after the last the first.
    bands, frames : int
        Height and width of a picture; frames lie evenly over the recording.
    window : int
        Samples a frame, 8 a millisecond.
    """

    test_speaker: Speaker = "george"
    val_speaker: Speaker | None = None
    bands: int = 32
    frames: int = 32
    window: int = 256

    def __post_init__(self) -> None:
        if self.val_speaker == self.test_speaker:
            raise ValueError(f"val_speaker is {self.val_speaker}, who is also test_speaker; choose another")
        for name in ("bands", "frames", "window"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")


class Dataset(base.Dataset[Settings]):
    """Log-mel pictures (1, bands, frames), in bel, of recordings brought to one level."""

    modality = "audio"
    title = "Free Spoken Digit Dataset"
    licence = "CC BY-SA 4.0, as stated"
    citation = "Jackson et al., Free Spoken Digit Dataset, Zenodo; the DOI stands in its readme"
    source = "github.com/Jakobovski/free-spoken-digit-dataset"
    quirks = (
        "The published split has all speakers on both sides and is nearly solved by simple features; here "
        "test and validation are one speaker each, whom training never hears.",
        "Recordings last 0.14 to 2.28 s and are stretched to one width; their level, which "
        "differs between speakers, is evened out.",
    )
    grouped = True
    upstream = Upstream(
        name="fsdd",
        mirror_sha256="bf1d2708d5a451412ed84024d510f699402c7ee5bc9531a04f757c5600d042d6",
        home=Archive(
            f"https://codeload.github.com/Jakobovski/free-spoken-digit-dataset/tar.gz/{COMMIT}",
            f"free-spoken-digit-dataset-{COMMIT}",
        ),
        paths=("recordings/*.wav",),
        content_sha256="405d8d8b1e64471902bb4a4caa22826782d9b7076f7bef80b0bc3038d4c3db5c",
    )
    Settings = Settings

    def load(self) -> Samples:
        """Take the spectrogram of every recording."""
        s = self.settings
        val_speaker = s.val_speaker or follower(s.test_speaker)
        parts = {s.test_speaker: "test", val_speaker: "val"}
        paths = sorted((self.raw / "recordings").glob("*.wav"))
        names = [parse(path) for path in paths]
        speakers = [speaker for _, speaker in names]
        return Samples(
            inputs=np.stack([picture(path, s) for path in paths]),
            labels=np.array([digit for digit, _ in names], dtype=np.int64),
            classes=DIGITS,
            ids=[path.stem for path in paths],
            groups=speakers,
            split=[parts.get(speaker, "train") for speaker in speakers],
        )


def follower(speaker: str) -> str:
    """Give the next speaker in the alphabet, after the last the first."""
    return SPEAKERS[(SPEAKERS.index(speaker) + 1) % len(SPEAKERS)]


def parse(path: Path) -> tuple[int, str]:
    """Read the digit and the speaker from the name of a recording.

    Raises
    ------
    DataError
        If the name has another form or the speaker is unknown.
    """
    match = NAME.fullmatch(path.name)
    if match is None:
        raise DataError(
            f"{path}: is not named DIGIT_SPEAKER_NUMBER.wav with a speaker of {', '.join(SPEAKERS)}; delete "
            "its folder and run again"
        )
    return int(match[1]), match[2]


def picture(path: Path, settings: Settings) -> NDArray[np.float32]:
    """Take the spectrogram of a recording at mean power 1, shape (1, bands, frames).

    Raises
    ------
    DataError
        If it cannot be read, or is silent.
    """
    waveform = read_audio(path, sample_rate=SAMPLE_RATE)
    power = float(np.mean(np.square(waveform, dtype=np.float64)))
    if power == 0:
        raise DataError(f"{path}: is silent; delete its folder and run again")
    return spectrogram(
        waveform / np.float32(math.sqrt(power)),
        sample_rate=SAMPLE_RATE,
        window=settings.window,
        bands=settings.bands,
        frames=settings.frames,
    )
