"""Mutual information from nearest neighbours, of two sets of features and of features and classes.

Scikit-learn has both formulas for one feature at a time only, and packages for several bring heavy
dependencies; the formulas are a few lines on SciPy's tree. In one dimension they agree with scikit-learn's.
"""

import numpy as np
from scipy.spatial import cKDTree
from scipy.special import digamma

from ucmkd.information.components import leading
from ucmkd.information.estimates import Array, Estimate, Labels
from ucmkd.information.resampling import Rows, subsampled
from ucmkd.seeding import generator_for

NEIGHBOURS = 3
DIMENSIONS = 5
"""Features are reduced to this many components: in more, a few hundred rows have no near neighbours."""


def ksg(a: Array, b: Array, *, seed: int) -> Estimate:
    """Estimate the information between the five leading components of either side, in nats.

    The bias is towards zero, and grows with the dimension and with the information. The cap is reached when
    all near neighbours on one side are so on the other too.
    """
    first, second, n = leading(a, DIMENSIONS), leading(b, DIMENSIONS), len(a)

    def of_rows(rows: Rows) -> float:
        return kraskov(first[rows], second[rows])

    rng = generator_for(seed, "information", "ksg")
    return subsampled(of_rows, n, rng=rng, cap=float(digamma(n) - digamma(NEIGHBOURS)))


def mixed_ksg(a: Array, labels: Labels, *, seed: int) -> Estimate:
    """Estimate the information of the five leading components about classes, in nats.

    The cap is reached when no near neighbour is of another class; it is a little above the classes' entropy.
    """
    features, n = leading(a, DIMENSIONS), len(a)

    def of_rows(rows: Rows) -> float:
        return ross(features[rows], labels[rows])

    rng = generator_for(seed, "information", "mixed_ksg")
    sizes = np.unique(labels, return_counts=True)[1]
    cap = float(digamma(n) - (sizes * digamma(sizes)).sum() / n)
    return subsampled(of_rows, n, rng=rng, cap=cap, classes=labels)


def kraskov(a: Array, b: Array) -> float:
    r"""Estimate by algorithm 1 of Kraskov, Stögbauer and Grassberger.

    .. math:: \psi(k) + \psi(n) - \frac1n\sum_i \big[\psi(n^a_i + 1) + \psi(n^b_i + 1)\big]

    where :math:`n^a_i` counts the other rows strictly nearer on one side than the k-th neighbour is jointly,
    all by the greatest difference of a coordinate.

    Parameters
    ----------
    a, b : array, shapes (n, p) and (n, q)
        Rows are distinct.

    References
    ----------
    Kraskov, Stögbauer, Grassberger, "Estimating mutual information", Phys. Rev. E 2004.
    """
    reach = _reach(np.hstack([a, b]), NEIGHBOURS)
    nearer = digamma(_count_nearer(a, reach)) + digamma(_count_nearer(b, reach))
    return float(digamma(NEIGHBOURS) + digamma(len(a)) - nearer.mean())


def ross(a: Array, labels: Labels) -> float:
    r"""Estimate the information of features about classes by Ross' formula.

    .. math:: \psi(n) + \frac1n\sum_i \big[\psi(k_i) - \psi(n_{y_i}) - \psi(m_i)\big]

    where :math:`m_i` counts the rows of any class, itself among them, strictly nearer than the
    :math:`k_i`-th neighbour of the same class.

    Parameters
    ----------
    a : array, shape (n, p)
    labels : array of int, shape (n,)
        Two rows of every class or more; k is less in a class with too few.

    References
    ----------
    Ross, "Mutual information between discrete and continuous data sets", PLoS ONE 2014.
    """
    reach, sizes, ranks = np.empty(len(a)), np.empty(len(a)), np.empty(len(a))
    for each in np.unique(labels):
        of_class = labels == each
        sizes[of_class] = of_class.sum()
        ranks[of_class] = min(NEIGHBOURS, of_class.sum() - 1)
        reach[of_class] = _reach(a[of_class], int(ranks[of_class][0]))
    terms = digamma(ranks) - digamma(sizes) - digamma(_count_nearer(a, reach))
    return float(digamma(len(a)) + terms.mean())


def _reach(points: Array, neighbour: int) -> Array:
    """Give each point's distance to its k-th neighbour."""
    distances = cKDTree(points).query(points, k=[neighbour + 1], p=np.inf)[0]
    return np.asarray(distances, np.float64)[:, 0]


def _count_nearer(points: Array, reach: Array) -> Array:
    """Count the points strictly nearer than the reach of each, itself among them."""
    strictly = np.nextafter(reach, 0)
    counts = cKDTree(points).query_ball_point(points, strictly, p=np.inf, return_length=True)
    return np.asarray(counts, np.float64)
