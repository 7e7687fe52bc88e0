"""Mutual information of Gaussian vectors: closed forms, and an estimate by canonical correlations."""

import numpy as np

from ucmkd.errors import DataError
from ucmkd.information.components import leading, whitened
from ucmkd.information.estimates import Array, Estimate
from ucmkd.information.resampling import Rows, bootstrapped
from ucmkd.seeding import generator_for

DIMENSIONS = 16
_ROWS_PER_DIMENSION = 5


def gaussian_information(covariance: Array, p: int) -> float:
    r"""Give the information between the first ``p`` and the other entries of a Gaussian vector, in nats.

    .. math:: I(A;B) = \tfrac12 \log \frac{\det\Sigma_A \det\Sigma_B}{\det\Sigma_{AB}}

    Parameters
    ----------
    covariance : array, shape (p + q, p + q)
    p : int

    Raises
    ------
    DataError
        If the covariance is not positive definite.
    """
    parts = covariance[:p, :p], covariance[p:, p:], covariance
    signs, logs = zip(*(np.linalg.slogdet(part) for part in parts), strict=True)
    if min(signs) <= 0:
        raise DataError(
            "information: the joint covariance is singular, one side determines the other and the Gaussian "
            "information is infinite; look whether both are the same features"
        )
    return float((logs[0] + logs[1] - logs[2]) / 2)


def canonical_correlations(covariance: Array, p: int) -> Array:
    """Give the min(p, q) canonical correlations of the first ``p`` and the other entries, falling."""
    whitening = [np.linalg.inv(np.linalg.cholesky(part)) for part in (covariance[:p, :p], covariance[p:, p:])]
    between = whitening[0] @ covariance[:p, p:] @ whitening[1].T
    return np.asarray(np.linalg.svd(between, compute_uv=False), np.float64)


def information_of_correlations(correlations: Array) -> float:
    r"""Give the Gaussian information of canonical correlations, :math:`-\tfrac12\sum_i\log(1-\rho_i^2)`."""
    return float((-np.log1p(-(correlations**2))).sum() / 2)


def gaussian_cca(a: Array, b: Array, *, seed: int) -> Estimate:
    """Estimate the information of two Gaussian vectors with the same canonical correlations.

    Each side is reduced to at most 16 components, and to one for every five rows, and whitened. The joint
    covariance is then shrunk towards the identity by Ledoit and Wolf's rule, which shrinks all canonical
    correlations by one factor: towards no information, the more the fewer rows there are. Of features that
    are not Gaussian it sees the linear dependence alone. Up to 16 columns the estimate does not change with
    invertible linear maps of either side.

    References
    ----------
    Ledoit, Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", J. Multivariate
    Analysis 2004.
    """
    most = min(DIMENSIONS, len(a) // _ROWS_PER_DIMENSION)
    first, second = leading(a, most), leading(b, most)

    def of_rows(rows: Rows) -> float:
        return _shrunk_information(first[rows], second[rows])

    return bootstrapped(of_rows, len(a), rng=generator_for(seed, "information", "gaussian_cca"))


def _shrunk_information(a: Array, b: Array) -> float:
    from sklearn.covariance import ledoit_wolf

    first, second = whitened(a), whitened(b)
    covariance, _ = ledoit_wolf(np.hstack([first, second]), assume_centered=True)
    return gaussian_information(covariance, first.shape[1])
