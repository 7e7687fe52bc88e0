"""VGGSound: some 200,000 ten-second clips of YouTube, of 309 sounds whose source is seen."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ucmkd.data.base import Workspace
from ucmkd.data.media.clips import Clip, ClipDataset, ClipSettings, keep_videos_apart
from ucmkd.data.media.listing import VIDEO_SUFFIXES, existing
from ucmkd.data.splits import stratified_split
from ucmkd.errors import DataError

TABLE = "vggsound.csv"
VALIDATION = {"train": 0.9, "val": 0.1}


@dataclass(frozen=True, kw_only=True)
class Settings(ClipSettings):
    """Where the files are, how they are seen, and which classes there are.

    Attributes
    ----------
    videos : str
        The folder inside ``folder`` whose videos are looked for, at any depth.
    classes : str or None
        A text file that names the classes to keep, one a line; all if there is none.
    """

    frames: int = 3
    steps: int = 256
    videos: str = "."
    classes: str | None = None


@dataclass(frozen=True)
class Row:
    """A row of the table: a clip begins at ``start`` seconds of a video."""

    video: str
    start: int
    label: str
    split: str

    @property
    def name(self) -> str:
        """What the clip's file is called."""
        return f"{self.video}_{self.start:06d}"


class Dataset(ClipDataset[Settings]):
    """Frames, or spectrograms, of whole clips; test is the official split, validation a tenth of train.

    Which clips are for validation depends on the table alone: it does not change with the classes that are
    kept or the files that are there.
    """

    title = "VGGSound"
    licence = "CC BY 4.0 (the list; the videos remain their authors')"
    citation = "Chen et al., VGGSound: a large-scale audio-visual dataset, ICASSP 2020"
    source = "https://www.robots.ox.ac.uk/~vgg/data/vggsound/"
    instances = "vggsound"
    remedy = (
        "get vggsound.csv from https://www.robots.ox.ac.uk/~vgg/data/vggsound/ and the videos that it names "
        "from YouTube, under its terms, cut to ten seconds and called <youtube id>_<start, six digits>.mp4 "
        "(---g-f_I2yQ_000001.mp4), and put both into one folder, named in the setting 'folder'"
    )
    Settings = Settings

    def __init__(self, settings: Any, workspace: Workspace | None = None) -> None:
        super().__init__(settings, workspace)
        self.quirks = ("Many clips have left YouTube; those that are missing here are listed as skipped.",)
        if settings.classes is not None:
            self.quirks += (f"Only the classes that {Path(settings.classes).name} names.",)

    def tables(self) -> list[Path]:
        """Give the table, and the list of classes if there is one."""
        tables = [existing(self.folder / TABLE, Path.is_file, "file", self.remedy)]
        if self.settings.classes is not None:
            chosen = Path(self.settings.classes).expanduser()
            tables.append(existing(chosen, Path.is_file, "list of classes", "write it, one class a line"))
        return tables

    def clips(self) -> tuple[list[Clip], dict[str, str]]:
        """List the clips of the chosen classes, whether their files are there or not."""
        videos = self.folder / self.settings.videos
        existing(videos, Path.is_dir, "folder", "correct the setting 'videos' of vggsound")
        files = {
            Path(path).stem: path
            for path in self.media(VIDEO_SUFFIXES).values()
            if (self.folder / path).is_relative_to(videos)
        }
        rows = read_table(self.tables()[0])
        chosen, validation = set(self._chosen(rows)), validation_videos(rows)
        clips = [
            Clip(
                id=row.name,
                label=row.label,
                group=row.video,
                split="val" if row.split == "train" and row.video in validation else row.split,
                picture=files.get(row.name),
                sound=files.get(row.name),
            )
            for row in rows
        ]
        kept, torn = keep_videos_apart(clips)
        of_chosen = {row.name for row in rows if row.label in chosen}
        return [clip for clip in kept if clip.id in of_chosen], {
            name: reason for name, reason in torn.items() if name in of_chosen
        }

    def classes(self) -> tuple[str, ...]:
        """Name the classes in the order of their list, or in alphabetical order if there is none."""
        return tuple(self._chosen(read_table(self.tables()[0])))

    def _chosen(self, rows: list[Row]) -> list[str]:
        known = {row.label for row in rows}
        if self.settings.classes is None:
            return sorted(known)
        path = self.tables()[1]
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        chosen = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
        unknown = [name for name in chosen if name not in known]
        if unknown or not chosen:
            what = f"class '{unknown[0]}' is not in {TABLE}" if unknown else "names no class"
            raise DataError(f"{path}: {what}; write names as {TABLE} has them, one a line, without quotes")
        return chosen


def validation_videos(rows: list[Row]) -> set[str]:
    """Choose a tenth of the training videos of every class.

    Each class has a stream of random numbers of its own, so that the choice is the same for any subset.

    Raises
    ------
    DataError
        If a class has too few videos to be divided.
    """
    label_of: dict[str, str] = {}
    for row in rows:
        if row.split == "train":
            label_of.setdefault(row.video, row.label)
    parts = stratified_split(np.array(list(label_of.values())), VALIDATION)
    return {video for video, part in zip(label_of, parts, strict=True) if part == "val"}


def read_table(path: Path) -> list[Row]:
    """Read ``vggsound.csv``: video, start in seconds, class, ``train`` or ``test``; without header.

    Raises
    ------
    DataError
        If a row is not of this form, or a clip comes twice.
    """
    rows: dict[str, Row] = {}
    with path.open(newline="", encoding="utf-8-sig") as file:
        for fields in filter(None, csv.reader(file)):
            fits = len(fields) == 4 and fields[1].isdecimal() and fields[3] in ("train", "test")
            row = Row(fields[0], int(fields[1]), fields[2], fields[3]) if fits else None
            if row is None or row.name in rows:
                raise DataError(f"{path}: row '{','.join(fields)}' is not youtube id, start, class and train "
                                "or test, once; get the file again")  # fmt: skip
            rows[row.name] = row
    return list(rows.values())
