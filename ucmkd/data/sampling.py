"""Which student rows make a batch, and which teacher rows it meets."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ucmkd.data.pairing import Mask, Pair, Rows
from ucmkd.data.regimes import Regime
from ucmkd.errors import DataError
from ucmkd.seeding import generator_for


@dataclass(frozen=True)
class Meeting:
    """One batch, as positions within the student's pool and within the teacher rows it may meet.

    Attributes
    ----------
    student : array of int, shape (n,)
    teacher : array of int, shape (n,)
    matched : array of bool, shape (n,), or None
        Which rows correspond; None where the regime gives no correspondence at all.
    """

    student: Rows
    teacher: Rows
    matched: Mask | None


@dataclass(frozen=True)
class Sampler:
    """Draws the batches of an epoch; the same for the same (seed, epoch), whatever was drawn before.

    Attributes
    ----------
    regime : Regime
    batch_size : int
        At most; batches differ by one sample.
    labels : array, shape (n,)
        Labels of the student's pool.
    partner : array, shape (n,)
        Position of each student sample's partner among the meeting teacher rows, or -1.
    teacher_labels : array, shape (m,)
    """

    regime: Regime
    batch_size: int
    labels: NDArray[np.int64]
    partner: Rows
    teacher_labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        if len(self.labels) // max(self.steps(), 1) < 2:
            raise DataError(f"{len(self.labels)} training samples in batches of at most {self.batch_size}: "
                            "one has less than 2; give more samples or a larger batch_size")  # fmt: skip

    def steps(self) -> int:
        """Batches in an epoch."""
        return -(-len(self.labels) // self.batch_size)

    def epoch(self, seed: int, epoch: int) -> Iterator[Meeting]:
        """Pass once over the student's pool, without replacement.

        Teacher rows are the partners (``paired``), rows of the same class drawn uniformly (``class_cond``),
        or a stream of the teacher's pool of its own, without replacement until it is used up.
        """
        order = generator_for(seed, "student order", epoch).permutation(len(self.labels))
        partners = self._partners(seed, epoch, order)
        matched = None if self.regime.correspondence == "none" else self._matched(order)
        for batch in self._batches:
            yield Meeting(order[batch], partners[batch], None if matched is None else matched[batch])

    @cached_property
    def _batches(self) -> list[slice]:
        ends = np.cumsum([len(part) for part in np.array_split(self.labels, self.steps())]).tolist()
        return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]

    def _partners(self, seed: int, epoch: int, order: Rows) -> Rows:
        draw = generator_for(seed, "teacher order", epoch)
        if self.regime.correspondence == "class":
            return self._same_class(draw)[order]
        pool = len(self.teacher_labels)
        passes = -(-len(order) // pool)
        stream: Rows = np.concatenate([draw.permutation(pool) for _ in range(passes)])[: len(order)]
        if self.regime.correspondence == "instance":
            return np.where(self.partner[order] >= 0, self.partner[order], stream)
        return stream

    def _same_class(self, draw: np.random.Generator) -> Rows:
        """Draw a teacher row of each student row's class; of any class where the teacher has none of it."""
        by_class, counts = self._teacher_classes
        first = np.cumsum(counts) - counts
        inside = (draw.random(len(self.labels)) * counts[self.labels]).astype(np.int64)
        chosen: Rows = by_class[np.minimum(first[self.labels] + inside, len(by_class) - 1)]
        return chosen

    @cached_property
    def _teacher_classes(self) -> tuple[Rows, Rows]:
        """Order the teacher rows by class, and count those of each."""
        counts = np.bincount(self.teacher_labels, minlength=int(self.labels.max()) + 1)
        return np.argsort(self.teacher_labels, kind="stable"), counts

    def _matched(self, order: Rows) -> Mask:
        if self.regime.correspondence == "class":
            _, counts = self._teacher_classes
            known: Mask = counts[self.labels[order]] > 0
            return known
        matched: Mask = self.partner[order] >= 0
        return matched


def sampler_for(
    pair: Pair, batch_size: int, labels: NDArray[np.int64], teacher_labels: NDArray[np.int64]
) -> Sampler:
    """Make the sampler of a pair in its regime from the label columns of the two whole datasets."""
    meeting = pair.teacher.train[pair.teacher.meets]
    position = np.full(len(teacher_labels) + 1, -1, dtype=np.int64)
    position[meeting] = np.arange(len(meeting))
    partner = position[pair.student.partner]
    return Sampler(pair.regime, batch_size, labels[pair.student.train], partner, teacher_labels[meeting])
