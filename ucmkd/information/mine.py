"""Mutual information by neural estimation: the Donsker-Varadhan bound of a trained critic."""

import math

import numpy as np
import torch
from torch import Tensor

from ucmkd.information.critic import held_out_scores
from ucmkd.information.estimates import Array, Estimate
from ucmkd.information.resampling import Rows, bootstrapped
from ucmkd.seeding import generator_for

EMA_RATE = 0.1
"""Weight of the newest step in the moving average of the partition."""


def mine(a: Array, b: Array, *, seed: int) -> Estimate:
    r"""Estimate I(A; B) by a critic trained on one half of the rows, in nats.

    .. math:: \frac1n \sum_i f(a_i, b_i) - \log \frac1{n(n-1)} \sum_{i \ne j} e^{f(a_i, b_j)}

    over the rows of the other half. In expectation over endless rows this is a lower bound; from a finite
    number the logarithm of a mean is too small, so a single value may exceed the information, and it varies
    most where the information is great. There is no cap. The interval resamples held-out rows; it leaves out
    the chance of the halves and of training.

    References
    ----------
    Belghazi et al., "Mutual information neural estimation", ICML 2018.
    """
    scores = held_out_scores(a, b, loss=CorrectedLoss(), bound=_bound, name="mine", seed=seed)

    def of_rows(rows: Rows) -> float:
        return donsker_varadhan(scores, np.bincount(rows, minlength=len(scores)))

    return bootstrapped(of_rows, len(scores), rng=generator_for(seed, "information", "mine", "bootstrap"))


class CorrectedLoss:
    """The negative bound, whose gradient has a moving average in place of one step's partition.

    The gradient of the logarithm of a mean over few rows is biased; dividing by the average over steps
    lessens that.
    """

    def __init__(self) -> None:
        self.partition: Tensor | None = None

    def __call__(self, scores: Tensor) -> Tensor:
        partition = _log_partition(scores).exp()
        newest = partition.detach()
        self.partition = newest if self.partition is None else torch.lerp(self.partition, newest, EMA_RATE)
        return partition / self.partition - scores.diagonal().mean()


def donsker_varadhan(scores: Array, counts: np.ndarray[tuple[int], np.dtype[np.intp]]) -> float:
    """Give the bound from scores (n, n) with partners on the diagonal, row i standing ``counts[i]`` times.

    Copies of a row are no pair of different rows.
    """
    highest = scores.max()
    apart = np.exp(scores - highest)
    np.fill_diagonal(apart, 0)
    n = counts.sum()
    partition = counts @ apart @ counts / (n**2 - (counts**2).sum())
    return float(counts @ np.diag(scores) / n - math.log(partition) - highest)


def _bound(scores: Tensor) -> Tensor:
    return scores.diagonal().mean() - _log_partition(scores)


def _log_partition(scores: Tensor) -> Tensor:
    """Give the logarithm of the mean of e^score over rows that are no partners."""
    n = len(scores)
    apart = scores.masked_fill(torch.eye(n, dtype=torch.bool), -math.inf)
    return torch.logsumexp(apart.flatten(), 0) - math.log(n * (n - 1))
