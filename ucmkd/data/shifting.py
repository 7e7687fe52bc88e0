"""Which training rows a shift leaves to the two sides of a pair."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ucmkd.data.shifts import Shift
from ucmkd.errors import DataError
from ucmkd.seeding import generator_for

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Pool:
    """Training rows of one side, with what is known of each row of its dataset.

    Attributes
    ----------
    rows : array of int
    labels : array, shape (n,)
        Of the whole dataset.
    instances : array of n strings
        Of the whole dataset; empty where a row shows no instance that the other side might show.
    """

    rows: Rows
    labels: NDArray[np.int64]
    instances: NDArray[np.str_]

    def of_class(self, label: int) -> Rows:
        """Rows of one class."""
        rows: Rows = self.rows[self.labels[self.rows] == label]
        return rows

    def keep(self, rows: Rows) -> "Pool":
        """Give the same pool with other rows."""
        return Pool(np.sort(rows), self.labels, self.instances)


def shift_pools(shift: Shift, pair: str, student: Pool, teacher: Pool, classes: int) -> tuple[Pool, Pool]:
    """Take away what the shift takes; what is drawn depends on the pair's name and the shift alone.

    Parameters
    ----------
    shift : Shift
    pair : str
    student, teacher : Pool
    classes : int

    Raises
    ------
    DataError
        If nothing is left of a side, or more classes are to be missing than there are.
    """
    if shift.student_instances is not None:
        student, teacher = _divide(shift.student_instances, pair, student, teacher, classes)
    learned = _reduce(student, generator_for(0, "shift", pair, "student"), shift.student_share,
                      shift.student_imbalance, shift.student_missing, classes)  # fmt: skip
    partners = np.isin(teacher.instances, learned.instances[learned.rows]) & (teacher.instances != "")
    taught = _reduce(teacher, generator_for(0, "shift", pair, "teacher"), shift.teacher_share,
                     shift.teacher_imbalance, shift.teacher_missing, classes, partners)  # fmt: skip
    if shift.refill:
        learned, taught = (
            _refill(after, before, classes) for after, before in ((learned, student), (taught, teacher))
        )
    return learned, taught


def _divide(share: float, pair: str, student: Pool, teacher: Pool, classes: int) -> tuple[Pool, Pool]:
    """Give the student a share of each class's instances and the teacher the others."""
    draw = generator_for(0, "shift", pair, "instances")
    kept = [_first(draw.permutation(student.of_class(label)), share) for label in range(classes)]
    student = student.keep(np.concatenate(kept))
    if (teacher.instances != "").any():
        shown = np.isin(teacher.instances, student.instances[student.rows]) & (teacher.instances != "")
        return student, teacher.keep(teacher.rows[~shown[teacher.rows]])
    others = [_first(draw.permutation(teacher.of_class(label)), 1 - share) for label in range(classes)]
    return student, teacher.keep(np.concatenate(others))


def _reduce(
    pool: Pool,
    draw: np.random.Generator,
    share: float,
    imbalance: float,
    missing: int,
    classes: int,
    first: NDArray[np.bool_] | None = None,
) -> Pool:
    """Keep a share of each class, thinned along a long tail; rows marked as ``first`` are the last to go."""
    if missing >= classes:
        raise DataError(f"shift: {missing} of {classes} classes are to be missing; leave at least one")
    ranks, gone = draw.permutation(classes), set(draw.permutation(classes)[:missing].tolist())
    kept = []
    for label in range(classes):
        rows = draw.permutation(pool.of_class(label))
        if first is not None:
            rows = rows[np.argsort(~first[rows], kind="stable")]
        tail = imbalance ** (-ranks[label] / max(1, classes - 1))
        kept.append(rows[:0] if label in gone else _first(rows, share * tail))
    return pool.keep(np.concatenate(kept))


def _first(rows: Rows, share: float) -> Rows:
    """Take a share of the rows, and one at least where there is any."""
    return rows[: max(1, round(share * len(rows)))]


def _refill(after: Pool, before: Pool, classes: int) -> Pool:
    """Repeat the rows that are left of each class until there are as many as before."""
    filled = [np.resize(after.of_class(label), len(before.of_class(label))) for label in range(classes)]
    return after.keep(np.concatenate(filled))
