"""RAVDESS: actors speak two sentences in eight emotions; face or voice of 1,440 utterances."""

import re
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from ucmkd.data.base import SPLITS, Workspace
from ucmkd.data.media.clips import Clip, ClipDataset, ClipSettings
from ucmkd.data.media.listing import existing
from ucmkd.errors import DataError

EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
ACTORS = range(1, 25)
UTTERANCES = tuple(
    f"01-{emotion:02d}-{intensity:02d}-{statement:02d}-{repetition:02d}-{actor:02d}"
    for actor in ACTORS
    for emotion, intensity, statement, repetition in product(range(1, 9), (1, 2), (1, 2), (1, 2))
    if (emotion, intensity) != (1, 2)
)
"""What the last six numbers of a file's name are: 01 for speech, emotion, intensity (neutral has one only),
sentence, repetition and actor."""

NAME = re.compile(r"(?<!\d)0[123]-(0[12](?:-\d\d){5})(?!\d)")
LISTS = {"train": ("train", "spa_dl"), "val": ("val", "spa_val"), "test": ("test", "spa_test")}


@dataclass(frozen=True, kw_only=True)
class Settings(ClipSettings):
    """Where the files are, how they are seen, and how they are split.

    Attributes
    ----------
    train_actors, val_actors, test_actors : tuple of int
        1 to 24, odd ones men and even ones women. Actors in none of them are left out.
    lists : str or None
        A folder of lists that replace the split by actor: ``train``, ``val`` and ``test`` (or ``spa_dl``,
        ``spa_val`` and ``spa_test``), each ``.csv`` or ``.txt``. A line names one utterance by the name of
        any file of it, such as ``03-01-06-01-02-01-12.npy``, in any column; labels are taken from the names.
        The first line may be a header. An utterance that is named several times in a list counts once.
    """

    train_actors: tuple[int, ...] = tuple(range(1, 17))
    val_actors: tuple[int, ...] = tuple(range(17, 21))
    test_actors: tuple[int, ...] = tuple(range(21, 25))
    lists: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        everyone = self.train_actors + self.val_actors + self.test_actors
        for actor in everyone:
            if actor not in ACTORS:
                raise ValueError(f"there is no actor {actor}; they are 1 to 24")
            if everyone.count(actor) > 1:
                raise ValueError(f"actor {actor} is named twice; an actor stands in one split")
        for part in SPLITS:
            if not getattr(self, f"{part}_actors"):
                raise ValueError(f"{part}_actors is empty; name at least one")


class Dataset(ClipDataset[Settings]):
    """Frames of the silent video (modality 02; else 01), or spectrograms of the sound (03; else 01)."""

    title = "RAVDESS, speech (Ryerson Audio-Visual Database of Emotional Speech and Song)"
    licence = "CC BY-NC-SA 4.0"
    citation = "Livingstone and Russo, PLoS ONE 13(5), 2018; doi 10.1371/journal.pone.0196391"
    source = "https://zenodo.org/record/1188976"
    instances = "ravdess"
    remedy = (
        "get RAVDESS from https://zenodo.org/record/1188976 (licence CC BY-NC-SA 4.0, no form to sign): "
        "Video_Speech_Actor_01.zip to _24.zip for the picture, Audio_Speech_Actors_01-24.zip for the sound; "
        "unpack them into one folder (Actor_01/02-01-06-01-02-01-01.mp4, or a folder for each archive with "
        "Actor_01 inside) and name it in the setting 'folder'"
    )
    Settings = Settings

    def __init__(self, settings: Any, workspace: Workspace | None = None) -> None:
        super().__init__(settings, workspace)
        if settings.lists is not None:
            self.grouped = False
            self.quirks = (
                "Split by lists that are not known to be by actor: an actor may stand in several splits, and "
                "scores then tell little of people who were not seen in training.",
            )

    def tables(self) -> list[Path]:
        """Give the lists, if there are any, in the order of the splits."""
        return [] if self.settings.lists is None else list(self._lists(self.settings.lists).values())

    def clips(self) -> tuple[list[Clip], dict[str, str]]:
        """List the utterances of the split, whether their files are there or not."""
        files = self.media()
        homes, skipped = self._homes()
        return [
            Clip(
                id=name,
                label=EMOTIONS[int(name[3:5]) - 1],
                group=f"actor{name[-2:]}",
                split=homes[name],
                picture=files.get(f"02-{name}", files.get(f"01-{name}")),
                sound=files.get(f"03-{name}", files.get(f"01-{name}")),
            )
            for name in UTTERANCES
            if name in homes
        ], skipped

    def classes(self) -> tuple[str, ...]:
        """Name the emotions as the files number them."""
        return EMOTIONS

    def _homes(self) -> tuple[dict[str, str], dict[str, str]]:
        """Give the split of utterances, and why others have none."""
        if self.settings.lists is None:
            home = {actor: part for part in SPLITS for actor in getattr(self.settings, f"{part}_actors")}
            return {name: home[int(name[-2:])] for name in UTTERANCES if int(name[-2:]) in home}, {}
        homes: dict[str, str] = {}
        for part, path in self._lists(self.settings.lists).items():
            for name in read_list(path):
                if homes.setdefault(name, part) != part:
                    raise DataError(f"{path}: utterance {name} also stands in the list for {homes[name]}; "
                                    "an utterance belongs to one split")  # fmt: skip
        skipped = {name: "is no utterance of speech" for name in homes if name not in UTTERANCES}
        return homes, skipped | {name: "stands in no list" for name in UTTERANCES if name not in homes}

    def _lists(self, folder: str) -> dict[str, Path]:
        root = Path(folder).expanduser()
        return {part: self._list(root, names) for part, names in LISTS.items()}

    def _list(self, root: Path, names: tuple[str, ...]) -> Path:
        paths = [root / f"{name}{suffix}" for name in names for suffix in (".csv", ".txt")]
        found = next((path for path in paths if path.is_file()), paths[0])
        return existing(found, Path.is_file, "list", "see the setting 'lists' of ravdess")


def read_list(path: Path) -> list[str]:
    """Read the utterances that a list names, each once, by the last six numbers of their files' names.

    Raises
    ------
    DataError
        If a line names none, or two.
    """
    utterances: dict[str, None] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        named = set(NAME.findall(line))
        if len(named) > 1 or (not named and line.strip() and number > 1):
            raise DataError(f"{path}: line {number} names {len(named)} utterances ('{line}'); name one, as "
                            "03-01-06-01-02-01-12.wav does")  # fmt: skip
        utterances.update(dict.fromkeys(named))
    return list(utterances)
