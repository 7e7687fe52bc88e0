"""A user's own files: found, and told apart from earlier states of them."""

import difflib
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ucmkd.data.own.splits import SPLIT_NAMES
from ucmkd.errors import ConfigError, DataError


@dataclass(frozen=True)
class Found:
    """A file in a folder of classes: its path within it, its class, and its split if the folder has some."""

    path: str
    label: str
    split: str | None


def find_files(folder: Path, suffixes: Sequence[str], what: str) -> tuple[list[Found], dict[str, str]]:
    """List the files of ``folder/<class>`` or ``folder/{train,val,test}/<class>``, sorted.

    Hidden files are passed over. A link to a file counts as the file; links to folders are not followed, so
    that there are no loops.

    Parameters
    ----------
    folder : Path
    suffixes : sequence of str
        Of the files that are read, in lower case.
    what : str
        How such files are called in messages.

    Returns
    -------
    found : list of Found
    skipped : dict
        What else there is, by its path within the folder, with the reason.

    Raises
    ------
    DataError
        If there is no class, a class without a file, or a folder beside those of splits.
    """
    skipped: dict[str, str] = {}
    tops = list(_folders(folder, folder, skipped, "stands beside the folders of classes"))
    parts = {path: SPLIT_NAMES.get(path.name.casefold()) for path in tops}
    has_splits = bool(tops) and (None not in parts.values() or {"train", "test"} <= set(parts.values()))
    found: list[Found] = []
    if not has_splits:
        for path in tops:
            found += _class_files(folder, path, None, suffixes, what, skipped)
    else:
        _check_splits(folder, parts)
        for top, part in parts.items():
            for path in _folders(folder, top, skipped, "stands beside the folders of classes"):
                found += _class_files(folder, path, part, suffixes, what, skipped)
    if not found:
        raise DataError(
            f"{folder}: holds no folder of a class with {what}; put them into <class>/ or "
            "{train,val,test}/<class>/"
        )
    return found, skipped


def name_parts(found: Iterable[Found], pattern: str | None, setting: str, folder: Path) -> list[str | None]:
    """Find what a regular expression marks in the name of each file; None without one.

    Raises
    ------
    DataError
        For a name that does not match.
    """
    return [None if pattern is None else _part(folder / file.path, pattern, setting) for file in found]


def stamp(root: Path, paths: Iterable[Path]) -> str:
    """Hash the names, sizes and times of files, in the order given.

    Raises
    ------
    ConfigError
        If one is not there.
    """
    sha = hashlib.sha256()
    for path in paths:
        status = existing(path).stat()
        sha.update(
            f"{os.path.relpath(path, root)} {status.st_size} {status.st_mtime_ns}\n".encode(errors="replace")
        )
    return sha.hexdigest()[:16]


def existing(path: Path, *, is_folder: bool = False) -> Path:
    """Give a path back if it is there.

    Raises
    ------
    ConfigError
        If it is not, with the nearest name beside it, or is of the other sort.
    """
    wanted, other = ("folder", "file") if is_folder else ("file", "folder")
    if path.is_dir() if is_folder else path.is_file():
        return path
    if path.exists():
        raise ConfigError(f"{path}: is a {other}; a {wanted} is expected here")
    beside = sorted(os.listdir(path.parent)) if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, beside, n=1)
    hint = f"; did you mean '{path.parent / near[0]}'?" if near else "; check the path, best written in full"
    raise ConfigError(f"{path}: there is no such {wanted}{hint}")


def _class_files(
    folder: Path, path: Path, split: str | None, suffixes: Sequence[str], what: str, skipped: dict[str, str]
) -> list[Found]:
    found = []
    for file in _entries(path):
        name = file.relative_to(folder).as_posix()
        reason = _unusable(file, suffixes, what)
        if reason:
            skipped[_printable(name)] = reason
        else:
            found.append(Found(name, path.name, split))
    if not found:
        raise DataError(f"{path}: holds no {what} ({', '.join(suffixes)}); fill the folder or delete it")
    return found


def _folders(folder: Path, path: Path, skipped: dict[str, str], otherwise: str) -> Iterator[Path]:
    for inside in _entries(path):
        name = _printable(inside.relative_to(folder).as_posix())
        if not inside.is_dir():
            skipped[name] = otherwise
        elif inside.is_symlink():
            skipped[name] = "is a link to a folder, which is not followed"
        elif name != inside.relative_to(folder).as_posix():
            raise DataError(f"{folder}/{name}: the name of this class is not UTF-8; rename the folder")
        else:
            yield inside


def _entries(path: Path) -> list[Path]:
    try:
        return sorted(inside for inside in path.iterdir() if not inside.name.startswith("."))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); change its rights") from None


def _unusable(file: Path, suffixes: Sequence[str], what: str) -> str | None:
    if _printable(file.name) != file.name:
        return "its name is not UTF-8"
    if file.is_dir():
        return "is a folder; a class holds files only"
    if file.suffix.lower() not in suffixes:
        return f"is not one of the {what} that are read ({', '.join(suffixes)})"
    return None if file.is_file() else "is a link that leads nowhere, or no file"


def _printable(name: str) -> str:
    return name.encode(errors="backslashreplace").decode()


def _check_splits(folder: Path, parts: Mapping[Path, str | None]) -> None:
    homes: dict[str, str] = {}
    for path, part in parts.items():
        if part is None:
            raise DataError(f"{path}: stands beside the folders of splits and is none; move it away")
        other = homes.setdefault(part, path.name)
        if other != path.name:
            raise DataError(f"{folder}: '{other}' and '{path.name}' are both for {part}; keep one")


def _part(path: Path, pattern: str, setting: str) -> str:
    match = re.search(pattern, path.name)
    if match is None or not match[1]:
        raise DataError(
            f"{path}: its name has no part that {setting} '{pattern}' marks; change the expression or the "
            "name"
        )
    return match[1]
