"""Wasserstein-1 distance between two sets of features, with the Euclidean distance as cost."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from ucmkd.errors import DataError
from ucmkd.transport.divergence import transport_loss

Array = NDArray[np.float64]

SINKHORN_ROWS = 500
"""Rows of either side that the Sinkhorn divergence sees: iterations over all of them cost minutes."""
PROJECTIONS = 500
"""Directions of the sliced distance."""
_ITERATIONS = 10_000


@dataclass(frozen=True)
class Calibrated:
    """A distance beside what the same number of samples of one law would give.

    Attributes
    ----------
    matched : float
        Exact distance of a part of the student's features to one half of the teacher's.
    null : float
        The same between the teacher's two halves, and so the bias of that many samples.
    """

    matched: float
    null: float

    @property
    def excess(self) -> float:
        """What is left of the distance without the bias; around 0, and maybe below, for equal laws."""
        return self.matched - self.null


def exact(x: Array, y: Array) -> float:
    """Solve the assignment of two sets of equal size exactly.

    The distance of two finite samples is biased upwards: in many dimensions it is far from 0 even for samples
    of one law. See :func:`against_null`.

    Parameters
    ----------
    x, y : array, shape (n, d)

    Raises
    ------
    DataError
        If the shapes differ.
    """
    if x.shape != y.shape:
        raise DataError(f"features of shapes {x.shape} and {y.shape} cannot be matched one to one")
    cost = cdist(x, y)
    return float(cost[linear_sum_assignment(cost)].mean())


def against_null(student: Array, teacher: Array, draw: np.random.Generator) -> Calibrated:
    """Measure the distance to a random half of the teacher's features, and that of its two halves.

    Parameters
    ----------
    student, teacher : array, shapes (n, d) and (m, d)
    draw : Generator
        Draws the halves, of size ``min(n, m // 2)``.
    """
    size = min(len(student), len(teacher) // 2)
    order = draw.permutation(len(teacher))
    one, other = teacher[order[:size]], teacher[order[size : 2 * size]]
    return Calibrated(exact(draw.permutation(student)[:size], one), exact(one, other))


def sinkhorn(student: Array, teacher: Array) -> float:
    """Measure the Sinkhorn divergence, which is neither a lower nor an upper bound of the distance.

    The regularisation is 0.05 of the median cost; at most 500 rows of either side take part.

    Raises
    ------
    TransportError
        If the solver does not converge.
    """
    batches = [torch.from_numpy(rows[:SINKHORN_ROWS].astype(np.float64)) for rows in (student, teacher)]
    loss = transport_loss(*batches, metric="l2", debias="sinkhorn_divergence", max_iter=_ITERATIONS)
    return float(loss.value)


def sliced(student: Array, teacher: Array, seed: int) -> float:
    """Average the distance over 500 random directions: a lower bound, small in many dimensions."""
    from ot import sliced_wasserstein_distance

    value = sliced_wasserstein_distance(student, teacher, n_projections=PROJECTIONS, p=1, seed=seed)
    return float(value)


def standardised(student: Array, teacher: Array) -> tuple[Array, Array]:
    """Give every coordinate of the pooled features mean 0 and variance 1; constant ones become 0.

    The distance of raw features changes when features are scaled and the head is scaled back, which changes
    no prediction. That of standardised ones does not.
    """
    pooled = np.concatenate([student, teacher])
    centre, spread = pooled.mean(axis=0), pooled.std(axis=0)
    varies = np.ptp(pooled, axis=0) > 0
    scale = np.where(varies, spread, 1.0)
    return (student - centre) * varies / scale, (teacher - centre) * varies / scale
