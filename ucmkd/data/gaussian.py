"""What is known in closed form of jointly Gaussian variables, and what the datasets made of them share."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ucmkd.data.base import Samples

CLASSES = ("negative", "positive")
LICENCE = "made on this machine; no rights"


def sign_agreement(correlation: float) -> float:
    r"""Give the probability that two centred jointly Gaussian variables have the same sign.

    .. math:: 1 - \arccos(r) / \pi

    With the correlation of the best prediction and a variable, this is the Bayes accuracy of predicting the
    variable's sign: the posterior of a symmetric variable has its mass on the side of its mean.

    Parameters
    ----------
    correlation : float
        In [-1, 1].

    References
    ----------
    Sheppard, "On the application of the theory of error to cases of normal distribution and normal
    correlation", Philosophical Transactions A 192, 1899.
    """
    return 1 - math.acos(max(-1.0, min(1.0, correlation))) / math.pi


def information(unexplained: float) -> float:
    r"""Give the mutual information of two jointly Gaussian variables in nats.

    .. math:: I = -\tfrac12 \ln(1 - r^2)

    A variable and a vector share as much as the variable and its best linear prediction from the vector, so
    the multiple correlation gives theirs.

    Parameters
    ----------
    unexplained : float
        Share of the one's variance that the other leaves open, :math:`1 - r^2`, in [0, 1]; the information
        is infinite where it is 0.

    References
    ----------
    Cover and Thomas, Elements of Information Theory, example 8.5.1.
    """
    return math.inf if unexplained <= 0 else -math.log(unexplained) / 2


def check_sizes(**sizes: int) -> None:
    """Refuse splits without samples.

    Raises
    ------
    ValueError
        Naming the size.
    """
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} is {size}; it must be at least 1")


def samples(parts: Mapping[str, tuple[NDArray[np.float64], NDArray[np.bool_]]]) -> Samples:
    """Put splits together: inputs (n, columns) and whether the label is positive (n,) of each.

    Instances are numbered, so that the views of one experiment are paired.
    """
    names = [f"{part}{row:06d}" for part, (_, labels) in parts.items() for row in range(len(labels))]
    return Samples(
        inputs=np.concatenate([inputs for inputs, _ in parts.values()]).astype(np.float32),
        labels=np.concatenate([labels for _, labels in parts.values()]).astype(np.int64),
        classes=CLASSES,
        ids=names,
        groups=names,
        split=[part for part, (_, labels) in parts.items() for _ in labels],
        pair_ids=names,
    )


def experiment_name(kind: str, shared: Mapping[str, Any]) -> str:
    """Name an experiment by everything that its views must agree in to show the same instances."""
    return "/".join([kind, *(f"{name}={value}" for name, value in shared.items())])
