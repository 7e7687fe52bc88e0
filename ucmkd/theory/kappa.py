"""The label transport kernel on held-out student features."""

import numpy as np
import torch
from numpy.typing import NDArray

from ucmkd.methods.shared.label_alignment import kernel

Array = NDArray[np.float64]

BINS = 20
"""Bins of equal width from 0 to 1; the last one includes 1."""


def plug_in_kernel(log_student: Array, log_teacher: Array, labels: NDArray[np.int64]) -> Array:
    r"""Give :math:`\hat\kappa = p_T(y|z)`, the plug-in that methods use by default.

    Parameters
    ----------
    log_student, log_teacher : array, shape (n, classes)
        Log-probabilities of the two heads on the same student features.
    labels : array of int, shape (n,)

    Returns
    -------
    array, shape (n,)
        Between 0 and 1.
    """
    student, teacher, own = (torch.from_numpy(array) for array in (log_student, log_teacher, labels))
    no_cap, no_means = float("inf"), torch.empty(0)
    values: Array = kernel("plugin", student, teacher, own, no_cap, no_means).numpy()
    return values


def histogram(values: Array) -> list[dict[str, float]]:
    """Count values in each bin: ``low``, ``high`` and ``share``, which sums to 1 over bins."""
    counts, edges = np.histogram(values, bins=BINS, range=(0.0, 1.0))
    return [
        {"low": float(low), "high": float(high), "share": float(count / len(values))}
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
    ]
