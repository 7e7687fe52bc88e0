"""The split of a user's own data, where the data give none or only a part of it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from ucmkd.data.base import SPLITS
from ucmkd.data.own.entry import Entry
from ucmkd.data.own.settings import OwnSettings, shares
from ucmkd.data.splits import group_split
from ucmkd.errors import DataError
from ucmkd.seeding import generator_for

SPLIT_NAMES = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
"""How splits are called in data, in any case, and here."""

ATTEMPTS = 100
"""Draws of a split, the first that gives every class to every split is taken."""


def units(entries: Sequence[Entry]) -> list[str]:
    """Name what must stay in one split: samples of one group, of one instance, or of the same content.

    These chain: if two groups share a file, they are one unit. A unit is named after its first group,
    instance or sample.
    """
    home: dict[tuple[str, str], int] = {}
    parent = list(range(len(entries)))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for row, entry in enumerate(entries):
        for key in (("group", entry.group), ("instance", entry.pair), ("content", entry.content)):
            if key[1] is not None:
                first, second = sorted((root(home.setdefault((key[0], key[1]), row)), root(row)))
                parent[second] = first
    firsts = [entries[root(row)] for row in range(len(entries))]
    return [first.group or first.pair or first.name for first in firsts]


def divide(
    entries: Sequence[Entry], names: Sequence[str], classes: Sequence[str], settings: OwnSettings, place: str
) -> tuple[list[str], str]:
    """Give every sample a split.

    A split that the data give is kept; if they give train and test, val is taken from train. Otherwise the
    split is drawn by units: by instance names alone where they are known, so that two datasets of the same
    instances agree even if one lacks some; class by class where every unit is of one class; else all units
    together. By names and all together it is drawn again while a class lacks a split.

    Parameters
    ----------
    entries : sequence of Entry
    names : sequence of str
        The unit of each sample, see :func:`units`.
    classes : sequence of str
        Every one needs a sample in every split.
    settings : OwnSettings
    place : str

    Returns
    -------
    split : list of str
    how : str
        A sentence for the data card.

    Raises
    ------
    DataError
        If a class cannot stand in every split.
    """
    given = {entry.split for entry in entries}
    if given == {None}:
        split, how = _draw(entries, names, classes, settings, SPLITS, place)
        return split, f"The split is drawn {how}."
    missing = sorted(part for part in SPLITS if part not in given)
    if missing == ["val"]:
        rows = [row for row, entry in enumerate(entries) if entry.split == "train"]
        parts, how = _draw(
            [entries[row] for row in rows],
            [names[row] for row in rows],
            classes,
            settings,
            ("train", "val"),
            place,
        )
        drawn = dict(zip(rows, parts, strict=True))
        split = [drawn.get(row, "test") for row in range(len(entries))]
        return split, f"The split is that of the data; val is taken from train, drawn {how}."
    if missing:
        raise DataError(
            f"{place}: no sample stands in {missing[0]}; give train, val and test, or train and test, or no "
            "split at all"
        )
    return [str(entry.split) for entry in entries], "The split is that of the data."


def _draw(
    entries: Sequence[Entry],
    names: Sequence[str],
    classes: Sequence[str],
    settings: OwnSettings,
    parts: Sequence[str],
    place: str,
) -> tuple[list[str], str]:
    fractions = shares(settings, parts)
    what = "groups" if settings.group else "instances" if settings.pair else "samples"
    labels_of: dict[str, set[str]] = defaultdict(set)
    units_of: dict[str, set[str]] = defaultdict(set)
    for entry, name in zip(entries, names, strict=True):
        labels_of[name].add(entry.label)
        units_of[entry.label].add(name)
    for label in classes:
        if len(units_of[label]) < len(parts):
            raise DataError(
                f"{place}: class '{label}' has {len(units_of[label])} different {what}, too few for "
                f"{', '.join(parts)}; add some, merge the class by labels, or leave it out by drop"
            )
    if settings.instances is None and all(len(labels) == 1 for labels in labels_of.values()):
        split = [""] * len(entries)
        for label in classes:
            rows = [row for row, entry in enumerate(entries) if entry.label == label]
            for row, part in zip(rows, group_split([names[row] for row in rows], fractions), strict=True):
                split[row] = part
        return split, f"by {what}, class by class"
    for seed in range(ATTEMPTS):
        if settings.instances is not None:
            split = _by_name(settings.instances, names, fractions, seed)
            how = f"by the names of {what} alone"
        else:
            split = group_split(names, fractions, seed=seed)
            how = f"by whole {what}"
        there = set(zip([entry.label for entry in entries], split, strict=True))
        lacking = [(label, part) for label in classes for part in parts if (label, part) not in there]
        if not lacking:
            return split, how
    label, part = lacking[0]
    raise DataError(
        f"{place}: class '{label}' has no {part} sample however the split is drawn by {what}; give a split "
        "with the data, change fractions, or leave the class out by drop"
    )


def _by_name(instances: str, names: Sequence[str], fractions: Mapping[str, float], seed: int) -> list[str]:
    """Draw a split for each name that depends on nothing but the name."""
    parts, ends = list(fractions), np.cumsum(list(fractions.values()))
    draws = {name: generator_for(seed, "own_split", instances, name).random() for name in set(names)}
    return [parts[min(int(np.searchsorted(ends, draws[name])), len(parts) - 1)] for name in names]
