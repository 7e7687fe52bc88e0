"""Splits that stay the same for ever: they depend on the data and a seed of their own, never on a run's."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ucmkd.errors import DataError
from ucmkd.seeding import generator_for


def stratified_split(labels: NDArray[Any], fractions: Mapping[str, float], *, seed: int = 0) -> list[str]:
    """Divide samples so that every class is divided in the same proportions, to within one sample.

    Parameters
    ----------
    labels : array, shape (n,)
        The class of each sample.
    fractions : Mapping
        The share of each split; they sum to one.
    seed : int
        The seed of the split.

    Returns
    -------
    list of n strings
        The split of each sample.

    Raises
    ------
    DataError
        If the fractions are no division, or a class is too small to stand in every split.
    """
    _check(fractions)
    split = np.empty(len(labels), dtype=object)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        counts = _shares(len(rows), fractions)
        if 0 in counts.values():
            raise DataError(f"split: class {label} has {len(rows)} samples, too few for {_text(fractions)}; "
                            "merge or drop the class, or change the fractions")  # fmt: skip
        order = generator_for(seed, "stratified_split", str(label)).permutation(rows)
        split[order] = np.repeat(list(counts), list(counts.values()))
    return split.tolist()


def group_split(groups: Sequence[str], fractions: Mapping[str, float], *, seed: int = 0) -> list[str]:
    """Divide samples by group: each group, in random order, goes where most samples are still due.

    Parameters
    ----------
    groups : sequence of n strings
        What must not be torn apart.
    fractions, seed
        As for :func:`stratified_split`; the shares are met as well as whole groups allow.

    Returns
    -------
    list of n strings
        The split of each sample.

    Raises
    ------
    DataError
        If the fractions are no division, or there are fewer groups than splits.
    """
    _check(fractions)
    names, counts = np.unique(np.asarray(groups), return_counts=True)
    if len(names) < len(fractions):
        raise DataError(f"split: {len(names)} groups cannot fill {len(fractions)} splits; use another split")
    due = {part: share * len(groups) for part, share in fractions.items()}
    empty = set(fractions)
    home: dict[str, str] = {}
    for index in generator_for(seed, "group_split").permutation(len(names)):
        must_fill = len(names) - len(home) == len(empty)
        part = max((name for name in fractions if name in empty or not must_fill), key=due.__getitem__)
        home[str(names[index])] = part
        due[part] -= int(counts[index])
        empty.discard(part)
    return [home[group] for group in groups]


def _check(fractions: Mapping[str, float]) -> None:
    if any(share <= 0 for share in fractions.values()) or abs(sum(fractions.values()) - 1) > 1e-9:
        raise DataError(f"split: fractions {_text(fractions)}; make them positive with sum 1")


def _text(fractions: Mapping[str, float]) -> str:
    return ", ".join(f"{part} {share:g}" for part, share in fractions.items())


def _shares(total: int, fractions: Mapping[str, float]) -> dict[str, int]:
    """Divide a count by largest remainders."""
    exact = {part: share * total for part, share in fractions.items()}
    counts = {part: int(value + 1e-9) for part, value in exact.items()}
    for part in sorted(fractions, key=lambda name: counts[name] - exact[name])[
        : total - sum(counts.values())
    ]:
        counts[part] += 1
    return counts
