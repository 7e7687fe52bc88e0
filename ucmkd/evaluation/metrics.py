"""Scores of a classifier from its logits, in NumPy alone, so that training jobs can afford them.

Every function takes logits of shape (n, classes) and integer labels of shape (n,).
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ucmkd.errors import TrainingError

BINS = 15
"""Equal-width confidence bins of the calibration error: bin k holds confidences in (k/15, (k+1)/15]."""

Array = NDArray[Any]


def score(logits: ArrayLike, labels: ArrayLike) -> dict[str, float]:
    """Score predictions with every metric of the benchmark.

    Returns
    -------
    dict
        ``accuracy``, ``macro_f1`` and ``ece`` as fractions in [0, 1], ``nll`` in nats.

    Raises
    ------
    TrainingError
        If there is nothing to score, or a logit is not finite.
    """
    values, target = np.asarray(logits, dtype=np.float64), np.asarray(labels)
    if len(target) == 0:
        raise TrainingError("metrics: the split is empty; give it at least one sample")
    if not np.isfinite(values).all():
        raise TrainingError(
            "metrics: a logit is not finite; lower the learning rate or the weights of the loss"
        )
    return {
        "accuracy": accuracy(values, target),
        "macro_f1": macro_f1(values, target),
        "nll": nll(values, target),
        "ece": expected_calibration_error(values, target),
    }


def accuracy(logits: ArrayLike, labels: ArrayLike) -> float:
    """Give the share of samples whose largest logit is that of their label."""
    return float(np.mean(np.argmax(logits, axis=1) == np.asarray(labels)))


def macro_f1(logits: ArrayLike, labels: ArrayLike) -> float:
    """Average the F1 score over every class that is present or predicted, each class weighing the same."""
    predicted, target = np.argmax(logits, axis=1), np.asarray(labels)
    classes = np.shape(logits)[1]
    hits = np.bincount(target[predicted == target], minlength=classes)
    mentions = np.bincount(predicted, minlength=classes) + np.bincount(target, minlength=classes)
    seen = mentions > 0
    return float(np.mean(2 * hits[seen] / mentions[seen]))


def nll(logits: ArrayLike, labels: ArrayLike) -> float:
    """Give the mean negative log-likelihood of the labels under the softmax of the logits, in nats."""
    target = np.asarray(labels)
    return float(-_log_softmax(logits)[np.arange(len(target)), target].mean())


def expected_calibration_error(logits: ArrayLike, labels: ArrayLike) -> float:
    """Average the gap between confidence and accuracy over the 15 bins, weighted by their size.

    References
    ----------
    Guo et al., "On calibration of modern neural networks", ICML 2017.
    """
    counts, confidence, right = _bins(logits, labels)
    return float(np.sum(counts * np.abs(right - confidence)) / counts.sum())


def reliability(logits: ArrayLike, labels: ArrayLike) -> dict[str, list[float]]:
    """Compare confidence with accuracy in each of the 15 bins.

    Returns
    -------
    dict of list
        ``confidence`` and ``accuracy``, means over the samples of each bin, and their ``count``, in order of
        confidence. Empty bins are left out.
    """
    counts, confidence, right = _bins(logits, labels)
    return {"confidence": confidence.tolist(), "accuracy": right.tolist(), "count": counts.tolist()}


def bin_of(confidence: ArrayLike) -> NDArray[np.intp]:
    """Number the bin, from 0, of each confidence in (0, 1]."""
    # 0.2 * 15 is a little more than 3 in floating point; the edge still belongs to the lower bin.
    upper_edge = np.ceil(np.asarray(confidence, dtype=np.float64) * BINS - 1e-9)
    number: NDArray[np.intp] = np.clip(upper_edge - 1, 0, BINS - 1).astype(np.intp)
    return number


def _bins(logits: ArrayLike, labels: ArrayLike) -> tuple[Array, Array, Array]:
    """Give count, mean confidence and accuracy of each bin that is not empty."""
    confidence = np.exp(_log_softmax(logits).max(axis=1))
    correct = np.argmax(logits, axis=1) == np.asarray(labels)
    number = bin_of(confidence)
    counts = np.bincount(number, minlength=BINS)
    filled = counts > 0
    sums = [np.bincount(number, weights=each, minlength=BINS)[filled] for each in (confidence, correct)]
    return counts[filled], sums[0] / counts[filled], sums[1] / counts[filled]


def _log_softmax(logits: ArrayLike) -> Array:
    values = np.asarray(logits, dtype=np.float64)
    shifted: Array = values - values.max(axis=1, keepdims=True)
    normalised: Array = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return normalised
