"""Datasets of labelled clips, of which a view shows either the picture or the sound."""

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from ucmkd.data import base
from ucmkd.data.base import SPLITS, Samples, Workspace
from ucmkd.data.extraction import extract
from ucmkd.data.media.frames import Span, read_frames
from ucmkd.data.media.listing import SOUND_SUFFIXES, VIDEO_SUFFIXES, digest, existing, list_files
from ucmkd.data.media.soundtrack import read_soundtrack
from ucmkd.errors import ConfigError, DataError
from ucmkd.settings import plain

View = Literal["video", "audio"]


@dataclass(frozen=True, kw_only=True)
class ClipSettings:
    """Where clips are and how they are seen.

    Attributes
    ----------
    folder : str
        The root of the raw download.
    view : "video" or "audio"
        Frames of the picture, or a log-mel spectrogram of the sound.
    both : bool
        Leave out clips of which the other view cannot be read, so that the two views hold the same clips and
        can be paired. It costs reading the other view as well; set it to false where only one was downloaded.
    frames, size : int
        Frames of a clip, evenly spaced in time, and their height and width in pixels.
    sample_rate, window, bands, steps : int
        Of the spectrogram: hertz, samples in a window, mel bands, and windows evenly over the clip.
    """

    folder: str
    view: View = "video"
    both: bool = True
    frames: int = 1
    size: int = 224
    sample_rate: int = 16000
    window: int = 1024
    bands: int = 128
    steps: int = 128

    def __post_init__(self) -> None:
        for name in ("frames", "size", "sample_rate", "window", "bands", "steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a sample: (1, bands, steps); (3, size, size); or (frames, 3, size, size) of several."""
        if self.view == "audio":
            return (1, self.bands, self.steps)
        one = (3, self.size, self.size)
        return one if self.frames == 1 else (self.frames, *one)


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A labelled clip.

    Attributes
    ----------
    id, group, split : str
    label : str
        The name of the class.
    picture, sound : str or None
        The files with them, relative to the folder of the raw download, if they are there; may be one file.
    span : tuple of two floats, optional
        Start and end in seconds; by default, the whole file.
    """

    id: str
    label: str
    group: str
    split: str
    picture: str | None
    sound: str | None
    span: Span | None = None

    @property
    def address(self) -> str:
        """All that is needed to read the clip, in one line: ``picture|sound#t=start,end``."""
        times = "" if self.span is None else f"#t={self.span[0]:g},{self.span[1]:g}"
        return f"{self.picture or ''}|{self.sound or ''}{times}"


C = TypeVar("C", bound=ClipSettings)


class ClipDataset(base.Dataset[C]):
    """Clips below one folder. A subclass says which there are, of what class, and in which split.

    Attributes
    ----------
    remedy : str
        Where the data are had from, and what their folder must look like; ends the messages about what is
        missing.
    """

    modality = "image"
    grouped = True
    parallel = True
    remedy: ClassVar[str]

    def __init__(self, settings: C, workspace: Workspace | None = None) -> None:
        super().__init__(settings, workspace)
        self.modality = "audio" if settings.view == "audio" else "image"

    @property
    def folder(self) -> Path:
        """The folder of the raw download.

        Raises
        ------
        ConfigError
            If it is not there.
        """
        return existing(Path(self.settings.folder).expanduser(), Path.is_dir, "folder", self.remedy)

    @abstractmethod
    def tables(self) -> list[Path]:
        """List the files that say classes and splits; a ConfigError if one is not there."""

    @abstractmethod
    def clips(self) -> tuple[list[Clip], dict[str, str]]:
        """List the clips, and those left out by name with the reason."""

    @abstractmethod
    def classes(self) -> tuple[str, ...]:
        """Name the classes in their order."""

    def media(self, suffixes: Iterable[str] = (*VIDEO_SUFFIXES, *SOUND_SUFFIXES)) -> dict[str, str]:
        """Find media files, by name."""
        return list_files(self.folder, suffixes)

    def stamp(self) -> str:
        """Change with the names of the media files and with the tables.

        Not with what is in the media files, which would take long to read: delete the stored dataset after
        damaged ones were replaced.
        """
        files = self.media().values()
        if not files:
            raise ConfigError(f"{self.folder}: holds no video and no sound; {self.remedy}")
        return digest(files, self.tables())

    def load(self) -> Samples:
        """Read the view of every clip that can be read.

        Raises
        ------
        DataError
            If a table is wrong, no clip can be read, or no clip can have a spectrogram as it is set.
        """
        listed, skipped = self.clips()
        if self.settings.view == "audio" or self.settings.both:
            # settings that fit no clip are refused here, or they would look like so many damaged clips
            _spectrogram(np.zeros(1, np.float32), self.settings)
        lacking = {clip.id: reason for clip in listed if (reason := self._lacking(clip))}
        found = [clip for clip in listed if clip.id not in lacking]
        if not found:
            reasons = ", ".join(sorted(set(lacking.values())))
            raise DataError(f"{self.folder}: none of {len(listed)} clips is there ({reasons}); where only "
                            "picture or only sound was downloaded, set 'both' to false; "
                            f"else {self.remedy}")  # fmt: skip
        result = extract(
            [clip.address for clip in found],
            partial(read_view, settings=self.settings, folder=str(self.folder)),
            shape=self.settings.shape,
            dtype="float32" if self.settings.view == "audio" else "uint8",
            key=plain(self.settings),
            workspace=self.workspace,
        )
        unread = {clip.id: result.skipped[clip.address] for clip in found if clip.address in result.skipped}
        kept = [found[row] for row in result.kept]
        classes = self.classes()
        number = {name: index for index, name in enumerate(classes)}
        return Samples(
            inputs=result.inputs,
            labels=np.array([number[clip.label] for clip in kept], dtype=np.int64),
            classes=classes,
            ids=[clip.id for clip in kept],
            groups=[clip.group for clip in kept],
            split=[clip.split for clip in kept],
            pair_ids=[clip.id for clip in kept],
            skipped=skipped | lacking | unread,
        )

    def _lacking(self, clip: Clip) -> str:
        """Say which file is missing, if one is."""
        both = self.settings.both
        if clip.picture is None and (both or self.settings.view == "video"):
            return "no file with its picture" if clip.sound else "no file"
        if clip.sound is None and (both or self.settings.view == "audio"):
            return "no file with its sound" if clip.picture else "no file"
        return ""


def read_view(address: str, *, settings: ClipSettings, folder: str) -> NDArray[Any]:
    """Read a clip as a view shows it.

    Parameters
    ----------
    address : str
        See :attr:`Clip.address`.
    settings : ClipSettings
    folder : str

    Returns
    -------
    array
        Of ``settings.shape``; uint8 for frames, float32 for a spectrogram in bel.

    Raises
    ------
    DataError
        If it cannot be read, or the other view cannot and both are asked for.
    """
    names, _, times = address.partition("#t=")
    picture, _, sound = names.partition("|")
    start, _, end = times.partition(",")
    span = (float(start), float(end)) if times else None
    shown: dict[View, NDArray[Any]] = {}
    try:
        if settings.view == "audio" or settings.both:
            waveform = read_soundtrack(Path(folder, sound), sample_rate=settings.sample_rate, span=span)
            shown["audio"] = _spectrogram(waveform, settings)
        if settings.view == "video" or settings.both:
            images = read_frames(Path(folder, picture), count=settings.frames, size=settings.size, span=span)
            shown["video"] = images if settings.frames > 1 else images[0]
    except DataError as error:
        raise DataError(str(error).removeprefix(f"{folder}/")) from None
    return shown[settings.view]


def keep_videos_apart(clips: list[Clip]) -> tuple[list[Clip], dict[str, str]]:
    """Leave out clips of a group that also stands in a stricter split, where test is the strictest.

    Returns
    -------
    kept : list of Clip
    left_out : dict
        Reasons by id.
    """
    home: dict[str, str] = {}
    for clip in clips:
        home[clip.group] = max(home.get(clip.group, clip.split), clip.split, key=SPLITS.index)
    left_out = {
        clip.id: f"is in {clip.split}, and {clip.group} also stands in {home[clip.group]}"
        for clip in clips
        if clip.split != home[clip.group]
    }
    return [clip for clip in clips if clip.id not in left_out], left_out


def _spectrogram(waveform: NDArray[np.float32], settings: ClipSettings) -> NDArray[np.float32]:
    from ucmkd.data.audio import spectrogram

    return spectrogram(waveform, sample_rate=settings.sample_rate, window=settings.window,
                       bands=settings.bands, frames=settings.steps)  # fmt: skip
