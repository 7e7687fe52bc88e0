"""Intervals from resampled rows.

Rows are drawn with replacement where that is valid: for moments, and for averages over held-out rows.
Distances to nearest neighbours are not such a statistic, because a row drawn twice is its own neighbour at
distance zero; for them halves of the rows are drawn without replacement.

Either way the replicates serve for their spread alone. Their mean differs from the estimate by a bias of the
resampling, which is taken out, and the estimator's own bias is not covered.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ucmkd.information.estimates import Estimate, Labels

Rows = NDArray[np.intp]

RESAMPLES = 200
"""Of the bootstrap, whose quantiles bound the interval."""

HALVES = 60
"""Of the rows; they give a standard deviation, and the interval is that of a normal distribution."""

_TAILS = (0.025, 0.975)
_NORMAL = 1.96


def bootstrapped(
    statistic: Callable[[Rows], float], n: int, *, rng: np.random.Generator, cap: float | None = None
) -> Estimate:
    """Estimate by a statistic of rows, with an interval from rows drawn with replacement."""
    replicates = np.array([statistic(rng.integers(0, n, n)) for _ in range(RESAMPLES)])
    below, above = np.quantile(replicates, _TAILS) - replicates.mean()
    return _estimate(statistic(np.arange(n)), above, -below, cap)


def subsampled(
    statistic: Callable[[Rows], float],
    n: int,
    *,
    rng: np.random.Generator,
    cap: float | None = None,
    classes: Labels | None = None,
) -> Estimate:
    r"""Estimate by a statistic of rows, with an interval from halves of the rows drawn without replacement.

    The spread of a statistic of m rows out of n is that of n rows times :math:`\sqrt{n/m}` (the rate) and
    times :math:`\sqrt{1-m/n}` (rows are drawn from a finite set). Deviations are scaled by the inverse of
    both, which for halves is close to 1.

    Parameters
    ----------
    statistic : callable
        Of row numbers.
    n : int
        Number of rows.
    classes : array of int, shape (n,), optional
        Halves are drawn within each class.

    References
    ----------
    Politis, Romano, "Large sample confidence regions based on subsamples under minimal assumptions", Ann.
    Statist. 1994; Shao, Wu, "A general theory for jackknife variance estimation", Ann. Statist. 1989.
    """
    of = np.zeros(n, np.int64) if classes is None else classes
    groups = [np.flatnonzero(of == each) for each in np.unique(of)]
    halves = [
        np.concatenate([rng.choice(group, len(group) // 2, replace=False) for group in groups])
        for _ in range(HALVES)
    ]
    m = len(halves[0])
    deviation = np.std([statistic(rows) for rows in halves], ddof=1)
    reach = _NORMAL * float(deviation) * np.sqrt(m / n) / np.sqrt(1 - m / n)
    return _estimate(statistic(np.arange(n)), reach, reach, cap)


def _estimate(value: float, down: float, up: float, cap: float | None) -> Estimate:
    """Put an interval around the value, and both between 0 and the cap."""
    low, middle, high = np.clip([value - down, value, value + up], 0, np.inf if cap is None else cap)
    return Estimate(float(middle), float(low), float(high), cap)
