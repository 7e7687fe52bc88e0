"""Samples of the same content: what they must not do, and how they are recognised."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ucmkd.data.own.entry import Entry
from ucmkd.errors import DataError


def file_contents(paths: Sequence[Path]) -> list[str]:
    """Name the content of files: the same name for the same bytes. A size that is unique is name enough."""
    sizes = [path.stat().st_size for path in paths]
    times = Counter(sizes)
    return [
        f"{size} {_digest(path)}" if times[size] > 1 else str(size)
        for path, size in zip(paths, sizes, strict=True)
    ]


def refuse_contradictions(entries: Sequence[Entry], place: str) -> None:
    """Refuse the same content in two classes, or in two splits that the data give.

    Raises
    ------
    DataError
        Naming both samples.
    """
    first: dict[str, Entry] = {}
    for entry in entries:
        other = first.setdefault(entry.content, entry)
        both = f"{place}: '{other.name}' and '{entry.name}' have the same content"
        if other.label != entry.label:
            raise DataError(f"{both} and two labels, '{other.label}' and '{entry.label}'; keep the right one")
        if other.split != entry.split:
            raise DataError(
                f"{both} and stand in {other.split} and {entry.split}; keep one of them, or a test score "
                "would reward memory"
            )


def count_duplicates(entries: Sequence[Entry]) -> int:
    """Count the samples that have the content of an earlier one."""
    return len(entries) - len({entry.content for entry in entries})


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
