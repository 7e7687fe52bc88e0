"""Names of classes: renamed, checked, and put in order."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ucmkd.data.own.entry import Entry
from ucmkd.data.own.names import no_such
from ucmkd.data.own.settings import OwnSettings
from ucmkd.errors import DataError

_DIGITS = re.compile(r"(\d+)")
_FLOAT = re.compile(r"[-+]?(\d+\.\d*|\.\d+)([eE][-+]?\d+)?|nan")


def rename(
    entries: Sequence[Entry], settings: OwnSettings, place: str
) -> tuple[list[Entry], tuple[str, ...], dict[str, str]]:
    """Give samples the names of classes that the settings ask for.

    Parameters
    ----------
    entries : sequence of Entry
    settings : OwnSettings
    place : str
        What was read, for messages.

    Returns
    -------
    entries : list of Entry
        Without those of dropped classes.
    classes : tuple of str
        In order.
    dropped : dict
        What was left out, with the reason.

    Raises
    ------
    ConfigError
        If the settings name a class that the data do not have.
    DataError
        If there is only one class, or a name is not to be trusted.
    """
    counts = Counter(entry.label for entry in entries)
    for setting in ("labels", "drop"):
        for name in getattr(settings, setting):
            if name not in counts:
                raise no_such(f"{place}: {setting}", "class", name, sorted(counts, key=natural_key))
    kept = [
        replace(entry, label=settings.labels.get(entry.label, entry.label))
        for entry in entries
        if entry.label not in settings.drop
    ]
    names = sorted({entry.label for entry in kept}, key=natural_key)
    _check(names, place)
    dropped = {
        f"class '{name}'": f"{counts[name]} samples, left out by the setting drop" for name in settings.drop
    }
    return kept, _ordered(names, settings.classes, place), dropped


def natural_key(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Give what sorts names as people do: 2 before 10, and letters whatever their case."""
    parts = _DIGITS.split(name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part.casefold()) for part in parts], name


def _ordered(names: list[str], wanted: tuple[str, ...], place: str) -> tuple[str, ...]:
    if not wanted:
        return tuple(names)
    for name in wanted:
        if name not in names:
            raise no_such(f"{place}: classes", "class", name, names)
    left = [name for name in names if name not in wanted]
    if left:
        raise DataError(
            f"{place}: class '{left[0]}' is not named in the setting classes; add it there, or leave it out "
            "by drop"
        )
    return wanted


def _check(names: Sequence[str], place: str) -> None:
    if len(names) < 2:
        raise DataError(
            f"{place}: {_listed(names) or 'no class'} is all there is; a benchmark needs at least two classes"
        )
    for name in names:
        if not name.strip():
            raise DataError(f"{place}: a label is empty; give every sample one")
        if _FLOAT.fullmatch(name.strip().casefold()):
            raise DataError(
                f"{place}: label '{name}' is a number with a point, so labels may have been damaged by a "
                f"spreadsheet; write whole numbers or words, or {_proposal({name: _whole(name)})}"
            )
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(" ".join(name.split()).casefold(), name)
        if other != name:
            raise DataError(
                f"{place}: classes '{other}' and '{name}' differ only in case or blanks; if they are the "
                f"same, {_proposal({other: name})}"
            )


def _whole(name: str) -> str:
    return name.strip().split(".")[0] or "0"


def _proposal(renamed: dict[str, str]) -> str:
    pairs = ", ".join(f'"{old}": "{new}"' for old, new in renamed.items())
    return f"set labels: {{{pairs}}}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"class '{name}'" for name in names)
