"""Estimates of mutual information, in nats, by the name of the estimator."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ucmkd.errors import DataError

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

BETWEEN: tuple[str, ...] = ("gaussian_cca", "ksg", "infonce", "mine")
"""Estimators of the information between two sets of features."""

ABOUT_LABELS: tuple[str, ...] = ("probe", "mixed_ksg", "gaussian_cca")
"""Estimators of the information of features about classes."""

FEWEST_ROWS = 40
"""With fewer rows no estimator gives a number."""

FEWEST_OF_A_CLASS = 4
"""With fewer rows of a class, a half of the rows may hold too few of them for the neighbours within it."""


@dataclass(frozen=True)
class Estimate:
    """Mutual information in nats, with a 95 % interval.

    The interval is of the estimator's spread over samples; it does not cover its bias. ``cap`` is the
    greatest value that the estimator can give for this many rows, None where it has none.
    """

    value: float
    low: float
    high: float
    cap: float | None


def information_between(a: ArrayLike, b: ArrayLike, estimator: str, *, seed: int) -> Estimate:
    """Estimate I(A; B) from rows that belong together.

    Parameters
    ----------
    a, b : array of float, shapes (n, p) and (n, q)
        Row i of both is of the same sample. They are standardised, and reduced by PCA where the estimator
        says so; the information is then that of the leading components, which is no more than the whole.
    estimator : str
        One of ``BETWEEN``.
    seed : int
        Of the resampling and of the critics' training.

    Raises
    ------
    DataError
        If there are fewer than ``FEWEST_ROWS`` rows, a value is not finite, the lengths differ or no column
        varies.
    """
    first, second = _features(a, "a"), _features(b, "b")
    _refuse_other_length(first, second)
    _refuse_unknown(estimator, BETWEEN)
    if estimator == "gaussian_cca":
        from ucmkd.information.gaussian import gaussian_cca

        return gaussian_cca(first, second, seed=seed)
    if estimator == "ksg":
        from ucmkd.information.ksg import ksg

        return ksg(first, second, seed=seed)
    if estimator == "infonce":
        from ucmkd.information.infonce import infonce

        return infonce(first, second, seed=seed)
    from ucmkd.information.mine import mine

    return mine(first, second, seed=seed)


def information_about_labels(a: ArrayLike, labels: ArrayLike, estimator: str, *, seed: int) -> Estimate:
    """Estimate I(A; Y) for classes Y.

    Parameters
    ----------
    a : array of float, shape (n, p)
        As in ``information_between``.
    labels : array of int, shape (n,)
    estimator : str
        One of ``ABOUT_LABELS``. ``gaussian_cca`` is a Gaussian surrogate: it takes indicators of all classes
        but one as if they were Gaussian, and may exceed the entropy of the classes. ``probe`` is a lower
        bound.
    seed : int

    Raises
    ------
    DataError
        As ``information_between``; also if there is one class only, or fewer than ``FEWEST_OF_A_CLASS`` rows
        of a class.
    """
    features, classes = _features(a, "a"), _labels(labels)
    _refuse_other_length(features, classes)
    _refuse_unknown(estimator, ABOUT_LABELS)
    _refuse_rare(classes)
    if estimator == "gaussian_cca":
        from ucmkd.information.gaussian import gaussian_cca

        return gaussian_cca(features, _indicators(classes), seed=seed)
    if estimator == "mixed_ksg":
        from ucmkd.information.ksg import mixed_ksg

        return mixed_ksg(features, classes, seed=seed)
    from ucmkd.information.probe import probe

    return probe(features, classes, seed=seed)


def are_enough(labels: ArrayLike) -> bool:
    """Say whether there are rows enough, of every class and in all, for estimates from them.

    Raises
    ------
    DataError
        If ``labels`` are not a non-empty list of integers.
    """
    counts = np.unique(_labels(labels), return_counts=True)[1]
    return int(counts.sum()) >= FEWEST_ROWS and len(counts) > 1 and int(counts.min()) >= FEWEST_OF_A_CLASS


def label_entropy(labels: ArrayLike) -> float:
    """Give the entropy of the shares of the classes among ``labels`` (n,), in nats.

    Raises
    ------
    DataError
        If they are not a non-empty list of integers.
    """
    counts = np.unique(_labels(labels), return_counts=True)[1]
    shares = counts / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def _features(values: ArrayLike, name: str) -> Array:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2:
        raise DataError(f"information: {name} has shape {array.shape}; give rows of features (n, p)")
    if len(array) < FEWEST_ROWS:
        raise DataError(
            f"information: {name} has {len(array)} rows, and an estimate takes {FEWEST_ROWS}; hold out more"
        )
    if not np.isfinite(array).all():
        raise DataError(f"information: {name} has values that are not finite; look at the features")
    return array


def _labels(values: ArrayLike) -> Labels:
    array = np.asarray(values)
    if array.ndim != 1 or not len(array) or not np.issubdtype(array.dtype, np.integer):
        raise DataError(
            f"information: labels have shape {array.shape} and type {array.dtype}; give integers (n,)"
        )
    return array.astype(np.int64)


def _refuse_other_length(a: Array, b: Array | Labels) -> None:
    if len(a) != len(b):
        raise DataError(f"information: {len(a)} rows of one and {len(b)} of the other; give rows in pairs")


def _refuse_unknown(estimator: str, known: tuple[str, ...]) -> None:
    if estimator not in known:
        raise DataError(f"information: no estimator '{estimator}'; known: {', '.join(known)}")


def _refuse_rare(labels: Labels) -> None:
    classes, counts = np.unique(labels, return_counts=True)
    if len(classes) < 2:
        raise DataError(f"information: class {classes[0]} is the only one; give rows of two classes or more")
    rarest = counts.argmin()
    if counts[rarest] < FEWEST_OF_A_CLASS:
        raise DataError(
            f"information: {counts[rarest]} rows of class {classes[rarest]}, and an estimate takes "
            f"{FEWEST_OF_A_CLASS} of every class; hold out more"
        )


def _indicators(labels: Labels) -> Array:
    """Mark each row's class in columns of all classes but the last."""
    columns: Array = (labels[:, None] == np.unique(labels)[:-1]).astype(np.float64)
    return columns
