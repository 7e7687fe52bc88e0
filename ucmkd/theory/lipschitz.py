r"""The Lipschitz constant :math:`\tau` of the teacher's loss with respect to the Euclidean distance.

The largest slope over samples, be it between pairs or of the gradient, is a LOWER bound of the true constant:
between the samples the loss may be steeper. A bound that is made with it may therefore fail. Only the
analytic cap is an upper bound, and a loose one.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist

from ucmkd.theory.head import Head
from ucmkd.theory.label_loss import entropy

Array = NDArray[np.float64]


def pair_slopes(values: Array, distances: Array) -> Array:
    r"""Give :math:`|\ell(z_1) - \ell(z_2)| / \lVert z_1 - z_2 \rVert` of every pair of points that differ.

    Parameters
    ----------
    values : array, shape (n,)
        The loss at each point.
    distances : array, shape (n (n - 1) / 2,)
        From :func:`scipy.spatial.distance.pdist`.
    """
    apart = distances > 0
    slopes: Array = pdist(values[:, None], "cityblock")[apart] / distances[apart]
    return slopes


def entropy_gradients(head: Head, features: Array) -> Array:
    r"""Differentiate the entropy form, :math:`\nabla_z \ell = -W_T^\top [p \odot (\log p + H(p))]`.

    Returns
    -------
    array, shape (n, d)
    """
    logs = head.log_probabilities(features)
    gradients: Array = -(np.exp(logs) * (logs + entropy(logs)[:, None])) @ head.weight
    return gradients


def entropy_cap(head: Head) -> float:
    r"""Bound the gradient of the entropy form from above, at every feature there may be.

    The bracket of the gradient sums to zero, so the gradient is half the bracket's 1-norm times a difference
    of two averages of head rows: at most
    :math:`\tfrac12 \max_{k,l} \lVert w_k - w_l \rVert \cdot E_p |\log p + H|`. The last factor is at most the
    standard deviation of :math:`\log p`, and its square at most :math:`\tfrac14 \log^2(K - 1) + 1`.

    References
    ----------
    Reeb, Wolf, "Tight bound on relative entropy by entropy difference", IEEE Transactions on Information
    Theory 2015, for the variance of :math:`\log p`.
    """
    widest = float(pdist(head.weight).max())
    return widest / 2 * float(np.sqrt(np.log(len(head.weight) - 1) ** 2 / 4 + 1))
