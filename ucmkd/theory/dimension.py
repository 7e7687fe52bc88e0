"""Intrinsic dimension of features, and how fast an empirical law of that dimension converges."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

Array = NDArray[np.float64]

SMALLEST = 20
"""Fewer distinct points than this have no dimension worth a number."""
_KEPT = 0.9


def two_nearest_neighbours(points: Array) -> float | None:
    r"""Estimate the dimension from the ratio of the distances to the second and to the first neighbour.

    Where the density is even over these distances, the ratio :math:`\mu` follows
    :math:`P(\mu > u) = u^{-s}`; :math:`s` is the slope of :math:`-\log(1 - F)` over :math:`\log \mu` through
    the origin, without the tenth of the points with the largest ratios. It is biased downwards in high
    dimensions, where no sample is dense.

    Parameters
    ----------
    points : array, shape (n, d)
        Repeated points count once.

    Returns
    -------
    float or None
        None where the points do not say: fewer than 20 are distinct, or all have both neighbours equally far.

    References
    ----------
    Facco et al., "Estimating the intrinsic dimension of datasets by a minimal neighborhood information",
    Scientific Reports 2017.
    """
    different = np.unique(points, axis=0)
    n = len(different)
    if n < SMALLEST:
        return None
    distances = np.asarray(KDTree(different).query(different, k=3)[0])
    ratios = np.sort(np.log(distances[:, 2] / distances[:, 1]))
    kept = int(_KEPT * n)
    x, y = ratios[:kept], -np.log1p(-np.arange(1, kept + 1) / n)
    return float(x @ y / (x @ x)) if x.any() else None


def rate(samples: int, dimension: float) -> float:
    r"""Give :math:`n^{-1/s}`, in which the distance of an empirical law to its own shrinks, up to a constant.

    Below dimension 2 the exponent stays at one half.

    References
    ----------
    Weed, Bach, "Sharp asymptotic and finite-sample rates of convergence of empirical measures in Wasserstein
    distance", Bernoulli 2019.
    """
    return float(samples ** (-1 / max(dimension, 2.0)))
