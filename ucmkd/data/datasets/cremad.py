"""CREMA-D: 91 actors speak twelve sentences in six emotions; face or voice of 7,442 clips."""

import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ucmkd.data.base import Workspace
from ucmkd.data.media.clips import Clip, ClipDataset, ClipSettings
from ucmkd.data.media.listing import SOUND_SUFFIXES, VIDEO_SUFFIXES, existing
from ucmkd.data.splits import group_split
from ucmkd.errors import DataError

EMOTIONS = {"ANG": "anger", "DIS": "disgust", "FEA": "fear", "HAP": "happy", "NEU": "neutral", "SAD": "sad"}
ACTORS = tuple(str(number) for number in range(1001, 1092))
NAME = re.compile(rf"1\d{{3}}_[A-Z]{{3}}_(?:{'|'.join(EMOTIONS)})_(?:HI|LO|MD|XX|X)")
FRACTIONS = {"train": 0.7, "val": 0.15, "test": 0.15}
VALIDATION = {"train": 0.9, "val": 0.1}


@dataclass(frozen=True, kw_only=True)
class Settings(ClipSettings):
    """Where the files are, how they are seen, and how they are split.

    Attributes
    ----------
    lists : str or None
        A folder with the lists ``train.csv`` and ``test.csv`` of the papers' releases, without header:
        ``1041_TIE_NEU_XX,NEU``. They replace the split by actor; validation is cut from train, by actor.
    """

    frames: int = 2
    lists: str | None = None


class Dataset(ClipDataset[Settings]):
    """Frames of ``VideoFlash``, or spectrograms of ``AudioWAV``."""

    title = "CREMA-D (Crowd-sourced Emotional Multimodal Actors Dataset)"
    licence = "Open Database License 1.0; contents: Database Contents License 1.0"
    citation = "Cao et al., IEEE Trans. Affective Computing 5(4), 2014; doi 10.1109/TAFFC.2014.2336244"
    source = "https://github.com/CheyneyComputerScience/CREMA-D"
    instances = "cremad"
    remedy = (
        "clone https://github.com/CheyneyComputerScience/CREMA-D with Git LFS (the authors ask users to fill "
        "in the form linked there), so that there are VideoFlash/1001_DFA_ANG_XX.flv (or .mp4 copies) and "
        "AudioWAV/1001_DFA_ANG_XX.wav, and name the folder in the setting 'folder'"
    )
    Settings = Settings

    def __init__(self, settings: Any, workspace: Workspace | None = None) -> None:
        super().__init__(settings, workspace)
        self.quirks = ("The label is what the actor was told to play, not what viewers saw.",)
        if settings.lists is not None:
            self.grouped = False
            self.quirks += (
                "Split by lists that were drawn by clip: actors of the test split may stand in training. "
                "The lists have no validation split; it is all training clips of some actors.",
            )

    def tables(self) -> list[Path]:
        """Give the lists for train and test, if there are any."""
        if self.settings.lists is None:
            return []
        root = Path(self.settings.lists).expanduser()
        return [
            existing(root / name, Path.is_file, "list", "see the setting 'lists' of cremad")
            for name in ("train.csv", "test.csv")
        ]

    def clips(self) -> tuple[list[Clip], dict[str, str]]:
        """List the clips of which there is a file, or which a list names."""
        pictures, sounds = (
            {_whole(name): path for name, path in self.media(suffixes).items() if NAME.fullmatch(name)}
            for suffixes in (VIDEO_SUFFIXES, SOUND_SUFFIXES)
        )
        present = sorted(pictures.keys() | sounds.keys())
        homes = self._listed() if self.settings.lists is not None else by_actor(present)
        clips = [
            Clip(
                id=name,
                label=EMOTIONS[name[9:12]],
                group=name[:4],
                split=split,
                picture=pictures.get(name),
                sound=sounds.get(name),
            )
            for name, split in sorted(homes.items())
        ]
        return clips, {name: "stands in no list" for name in present if name not in homes}

    def classes(self) -> tuple[str, ...]:
        """Name the emotions in the order of their abbreviations."""
        return tuple(EMOTIONS.values())

    def _listed(self) -> dict[str, str]:
        """Give the split of every clip that a list names."""
        train, test = (read_list(path) for path in self.tables())
        double = sorted(set(train) & set(test))
        if double:
            raise DataError(f"{self.settings.lists}: clip {double[0]} stands in both lists; keep one")
        home = dict(zip(ACTORS, group_split(ACTORS, VALIDATION), strict=True))
        return {name: home[name[:4]] for name in train} | dict.fromkeys(test, "test")


def by_actor(names: list[str]) -> dict[str, str]:
    """Give the split of each clip by its actor; it depends on nothing else, not even on which clips exist."""
    home = dict(zip(ACTORS, group_split(ACTORS, FRACTIONS), strict=True))
    return {name: home[name[:4]] for name in names if name[:4] in home}


def read_list(path: Path) -> list[str]:
    """Read the clips that a list names.

    Raises
    ------
    DataError
        If a row is not a known name with the emotion that it says, or comes twice.
    """
    names: dict[str, None] = {}
    with path.open(newline="", encoding="utf-8-sig") as file:
        for row in filter(None, csv.reader(file)):
            name = _whole(row[0].strip())
            fits = NAME.fullmatch(name) and name[:4] in ACTORS and len(row) == 2
            if not fits or row[1].strip() != name[9:12] or name in names:
                raise DataError(f"{path}: row '{','.join(row)}' is not a clip and its emotion, once, as in "
                                "1041_TIE_NEU_XX,NEU")  # fmt: skip
            names[name] = None
    return list(names)


def _whole(name: str) -> str:
    """Mend the one name that early releases misspelt: 1040_ITH_SAD_X."""
    return f"{name}X" if name.endswith("_X") else name
