"""AVE: 4,143 events of 28 kinds that are seen and heard at once, in ten-second videos."""

from dataclasses import dataclass
from pathlib import Path

from ucmkd.data.base import SPLITS
from ucmkd.data.media.clips import Clip, ClipDataset, ClipSettings, keep_videos_apart
from ucmkd.data.media.listing import VIDEO_SUFFIXES, existing
from ucmkd.errors import DataError

ANNOTATIONS = "Annotations.txt"
HEADER = "Category&VideoID&Quality&StartTime&EndTime"


@dataclass(frozen=True, kw_only=True)
class Settings(ClipSettings):
    """Where the files are, and how they are seen."""

    steps: int = 256


@dataclass(frozen=True)
class Event:
    """A row of the annotations; times in seconds."""

    category: str
    video: str
    start: float
    end: float

    @property
    def name(self) -> str:
        """The event's id; a video may hold several."""
        return f"{self.video}:{self.start:g}-{self.end:g}:{self.category}"


class Dataset(ClipDataset[Settings]):
    """Frames, or spectrograms, of the seconds in which the event is seen and heard; the official split."""

    title = "AVE (Audio-Visual Event dataset)"
    licence = "none given; videos of YouTube, selected from AudioSet (CC BY 4.0)"
    citation = "Tian et al., Audio-visual event localization in unconstrained videos, ECCV 2018"
    source = "https://github.com/YapengTian/AVE-ECCV18"
    instances = "ave"
    quirks = (
        "A video may hold several events, of one or of two classes; each is a sample, they may overlap in "
        "time, and pairs are told apart by event, not by video.",
        "A video that stands in several of the official lists is kept in test before val before train only.",
    )
    remedy = (
        "get AVE_Dataset.zip as linked at https://github.com/YapengTian/AVE-ECCV18 (for research; the videos "
        "remain their authors'), unpack it, so that there are AVE/<video>.mp4, Annotations.txt, "
        "trainSet.txt, valSet.txt and testSet.txt, and name the folder, or the one around it, in the "
        "setting 'folder'"
    )
    Settings = Settings

    @property
    def folder(self) -> Path:
        """The folder with the annotations."""
        given = super().folder
        inside = given / "AVE_Dataset"
        return inside if not (given / ANNOTATIONS).exists() and inside.is_dir() else given

    def tables(self) -> list[Path]:
        """Give the annotations and the lists of the three splits."""
        names = (ANNOTATIONS, *(f"{part}Set.txt" for part in SPLITS))
        return [existing(self.folder / name, Path.is_file, "file", self.remedy) for name in names]

    def clips(self) -> tuple[list[Clip], dict[str, str]]:
        """List the events of the three splits, each once."""
        files = self.media(VIDEO_SUFFIXES)
        annotations, *lists = self.tables()
        known = {event.category for event in read_events(annotations)}
        clips, skipped = {}, {}
        for part, path in zip(SPLITS, lists, strict=True):
            for event in read_events(path):
                if event.category not in known:
                    raise DataError(f"{path}: category '{event.category}' is not in {ANNOTATIONS}")
                if event.start >= event.end:
                    skipped[event.name] = "an event of zero length"
                else:
                    file = files.get(event.video)
                    clips[part, event.name] = Clip(
                        id=event.name, label=event.category, group=event.video, split=part,
                        picture=file, sound=file, span=(event.start, event.end),
                    )  # fmt: skip
        kept, torn = keep_videos_apart(list(clips.values()))
        return kept, skipped | torn

    def classes(self) -> tuple[str, ...]:
        """Name the categories of the annotations in alphabetical order."""
        return tuple(sorted({event.category for event in read_events(self.tables()[0])}))


def read_events(path: Path) -> list[Event]:
    """Read a table of events, with its header or without.

    Raises
    ------
    DataError
        If a line has not five columns, or a time that is no number.
    """
    events = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        if not line.strip() or (number == 1 and line.strip() == HEADER):
            continue
        try:
            category, video, _, start, end = line.strip().split("&")
            events.append(Event(category, video, float(start), float(end)))
        except ValueError:
            raise DataError(f"{path}: line {number} is '{line}', not {HEADER}; get the file again") from None
    return events
