"""Temperature scaling."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from ucmkd.evaluation.metrics import nll

Array = NDArray[np.float64]

LOWEST, HIGHEST = 0.05, 20.0
"""Temperatures beyond these are not tried; a validation split without any error would ask for 0."""


def temperature(logits: Array, labels: NDArray[np.int64]) -> float:
    """Find the temperature whose division of the logits has the least negative log-likelihood.

    Parameters
    ----------
    logits, labels : array, shapes (n, classes) and (n,)
        Of the validation split.

    Returns
    -------
    float
        Between 0.05 and 20, and 1 where nothing is better than that.

    References
    ----------
    Guo et al., "On calibration of modern neural networks", ICML 2017.
    """

    def loss(log_temperature: float) -> float:
        return nll(logits / np.exp(log_temperature), labels)

    found = minimize_scalar(loss, bounds=(np.log(LOWEST), np.log(HIGHEST)), method="bounded")
    return float(np.exp(found.x)) if found.fun < loss(0.0) else 1.0
