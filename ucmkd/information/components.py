"""Features made comparable before an estimate: standardised, then reduced to their leading components."""

import numpy as np

from ucmkd.errors import DataError
from ucmkd.information.estimates import Array

_CONSTANT = 1e-7
"""A column whose deviation is less than this share of its greatest value is rounding."""


def standardised(values: Array) -> Array:
    """Give columns mean 0 and deviation 1; those that do not vary are left out.

    Raises
    ------
    DataError
        If no column varies.
    """
    deviation = values.std(axis=0)
    varies = deviation > _CONSTANT * np.abs(values).max(axis=0)
    if not varies.any():
        raise DataError("information: no column of the features varies; the network that made them collapsed")
    kept: Array = (values[:, varies] - values[:, varies].mean(axis=0)) / deviation[varies]
    return kept


def leading(values: Array, most: int) -> Array:
    """Reduce standardised columns to at most ``most`` principal components, of mean variance 1.

    One factor scales all components, so that leading ones keep their weight in a distance.
    """
    columns = standardised(values)
    if columns.shape[1] <= most:
        return columns
    left, sizes, _ = np.linalg.svd(columns, full_matrices=False)
    scores = left[:, :most] * sizes[:most]
    reduced: Array = scores / np.sqrt((scores**2).mean())
    return reduced


def whitened(values: Array) -> Array:
    """Rotate and scale columns to a covariance of the identity, without directions that have no spread.

    Returns
    -------
    array, shape (n, rank)
        Centred; its inner products over n are the identity.
    """
    left, sizes, _ = np.linalg.svd(values - values.mean(axis=0), full_matrices=False)
    white: Array = left[:, sizes > _CONSTANT * sizes[0]] * np.sqrt(len(values))
    return white
