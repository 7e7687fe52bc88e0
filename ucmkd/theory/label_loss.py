r"""The loss of the teacher's head at a feature, :math:`\ell_\tau(z) = -E_{D^T(y|z)} \log p_T(y|z)`, in nats.

The label distribution :math:`D^T(y|z)` is not known. Each form puts another estimate in its place.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.special import entr

from ucmkd.errors import DataError

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

NEIGHBOURS = 10
"""Teacher features whose labels stand for the label distribution at a point."""


def entropy(log_teacher: Array) -> Array:
    r"""Take the teacher's own probabilities for the label distribution: the sum is their entropy.

    It assumes that the teacher is calibrated, on student features too; where it is over-confident, the loss
    is underestimated.

    Parameters
    ----------
    log_teacher : array, shape (n, classes)
        :math:`\log p_T(k|z)`.

    Returns
    -------
    array, shape (n,)
        Between 0 and the logarithm of the number of classes.
    """
    values: Array = entr(np.exp(log_teacher)).sum(axis=1)
    return values


def expected(log_teacher: Array, distribution: Array) -> Array:
    """Take the expectation under a given label distribution, both of shape (n, classes)."""
    values: Array = -(distribution * log_teacher).sum(axis=1)
    return values


def plug_in(log_teacher: Array, labels: Labels) -> Array:
    r"""Keep of the entropy's sum only the term of the sample's own label, :math:`-p_T(y|z) \log p_T(y|z)`.

    It is what the plug-in of the published method comes to. It is at most the entropy and at most
    :math:`1/e`, so it underestimates the loss wherever the teacher is uncertain.

    Parameters
    ----------
    log_teacher : array, shape (n, classes)
    labels : array of int, shape (n,)

    Returns
    -------
    array, shape (n,)
    """
    values: Array = entr(np.exp(log_teacher[np.arange(len(labels)), labels]))
    return values


def neighbour_distribution(
    points: Array | None, features: Array, labels: Labels, classes: int, *, neighbours: int = NEIGHBOURS
) -> Array:
    """Estimate the teacher's label distribution by the labels of the nearest teacher features.

    Parameters
    ----------
    points : array, shape (n, d), or None
        Where to estimate it; None means at the teacher features, each without its own label.
    features, labels : array, shapes (m, d) and (m,)
        Of the teacher, held out.
    classes, neighbours : int

    Returns
    -------
    array, shape (n, classes)

    Raises
    ------
    DataError
        If there are too few teacher features.
    """
    if len(features) <= neighbours:
        raise DataError(f"{len(features)} teacher features have no {neighbours} nearest neighbours; "
                        "give the split more samples")  # fmt: skip
    distances = cdist(features if points is None else points, features)
    if points is None:
        np.fill_diagonal(distances, np.inf)
    nearest = np.argpartition(distances, neighbours - 1, axis=1)[:, :neighbours]
    shares: Array = np.eye(classes)[labels[nearest]].mean(axis=1)
    return shares
