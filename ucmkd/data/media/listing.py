"""Find files in a tree by name, without opening or measuring any."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ucmkd.errors import ConfigError

VIDEO_SUFFIXES = (".mp4", ".flv", ".mkv", ".webm", ".avi", ".mov")
SOUND_SUFFIXES = (".wav", ".flac", ".mp3")


def list_files(folder: Path, suffixes: Iterable[str]) -> dict[str, str]:
    """Find files at any depth.

    Parameters
    ----------
    folder : path
    suffixes : iterable of str
        With the dot, in lower case, best first.

    Returns
    -------
    dict
        From a file's name without its suffix to its path relative to the folder, with ``/``. Of several files
        with one name, it is the one with the best suffix, then the first in the order of paths.
    """
    order = {suffix: place for place, suffix in enumerate(suffixes)}
    best: dict[str, tuple[int, str]] = {}
    for path in _walk(folder):
        stem, suffix = os.path.splitext(path.rpartition("/")[2])
        place = order.get(suffix.lower())
        if place is not None:
            best[stem] = min(best.get(stem, (place, path)), (place, path))
    return {stem: path for stem, (_, path) in sorted(best.items())}


def digest(paths: Iterable[str], tables: Iterable[Path]) -> str:
    """Hash the names of files, and names and bytes of tables."""
    sha = hashlib.sha256("\n".join(sorted(paths)).encode())
    for table in tables:
        sha.update(f"\n{table.name}\n".encode() + table.read_bytes())
    return sha.hexdigest()


def existing(path: Path, exists: Callable[[Path], bool], what: str, remedy: str) -> Path:
    """Give a path back if it is there.

    Raises
    ------
    ConfigError
        If not, saying what it should be and what to do.
    """
    if not exists(path):
        raise ConfigError(f"{path}: no such {what}; {remedy}")
    return path


def _walk(folder: Path) -> Iterator[str]:
    for here, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        inside = Path(here).relative_to(folder).as_posix()
        prefix = "" if inside == "." else f"{inside}/"
        yield from (f"{prefix}{name}" for name in names if not name.startswith("."))
