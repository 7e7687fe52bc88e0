"""What can be set of every dataset that is read from a user's own files."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from ucmkd.data.base import SPLITS

S = TypeVar("S", bound="OwnSettings")


@dataclass(frozen=True, kw_only=True)
class OwnSettings:
    """Card, classes and split.

    Attributes
    ----------
    title, licence, citation : str
        For the data card.
    labels : map
        From names of classes in the data to the names they shall have; the same new name merges classes.
    drop : tuple of str
        Classes to leave out, by their names in the data.
    classes : tuple of str
        All classes in the order that the other dataset of a pair has; otherwise they are sorted, 2 before 10.
    fractions : tuple of three float
        The shares of train, val and test where the data give no split.
    group, pair : str or None
        What names the group of a sample, and the instance that it shows: a regular expression with one group
        in round brackets for file names, a column of a table.
    instances : str or None
        A name of your choice for the set of instances; datasets with the same one are paired by nature.
    """

    title: str = ""
    licence: str = "not stated"
    citation: str = "none"
    labels: dict[str, str] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    fractions: tuple[float, ...] = (0.6, 0.2, 0.2)
    group: str | None = None
    pair: str | None = None
    instances: str | None = None

    def __post_init__(self) -> None:
        if (
            len(self.fractions) != len(SPLITS)
            or min(self.fractions) <= 0
            or abs(sum(self.fractions) - 1) > 1e-9
        ):
            raise ValueError(
                f"fractions are {list(self.fractions)}; give three above 0 with sum 1, for "
                f"{', '.join(SPLITS)}"
            )
        if (self.pair is None) != (self.instances is None):
            raise ValueError("pair and instances belong together; give both or neither")
        both = sorted(set(self.labels) & set(self.drop))
        if both:
            raise ValueError(f"class '{both[0]}' is renamed by labels and left out by drop; keep one")
        repeated = [name for name in self.classes if self.classes.count(name) > 1]
        if repeated:
            raise ValueError(f"classes names '{repeated[0]}' twice; keep one")


def at_least(settings: object, limits: Mapping[str, float]) -> None:
    """Refuse settings below their limits.

    Raises
    ------
    ValueError
        Naming the setting.
    """
    for name, limit in limits.items():
        value = getattr(settings, name)
        if value is not None and value < limit:
            raise ValueError(f"{name} is {value}; it must be at least {limit:g}")


def check_patterns(patterns: Mapping[str, str | None]) -> None:
    """Refuse regular expressions that are none, or have not exactly one group.

    Raises
    ------
    ValueError
        Naming the setting.
    """
    for name, pattern in patterns.items():
        try:
            groups = 1 if pattern is None else re.compile(pattern).groups
        except re.error as error:
            raise ValueError(f"{name}: '{pattern}' is not a regular expression ({error})") from None
        if groups != 1:
            raise ValueError(
                f"{name}: '{pattern}' has {groups} groups in round brackets; mark the part of the file's "
                "name that counts by exactly one"
            )


def expanded(path: str) -> Path:
    """Give the path that a setting names; ``~`` is the user's home."""
    return Path(path).expanduser()


def shares(settings: OwnSettings, parts: Sequence[str] = SPLITS) -> dict[str, float]:
    """Give the shares of some splits among themselves."""
    chosen = {part: share for part, share in zip(SPLITS, settings.fractions, strict=True) if part in parts}
    return {part: share / sum(chosen.values()) for part, share in chosen.items()}
