"""Mutual information by noise-contrastive estimation: how well a row is told from the others' partners."""

import math

import numpy as np
import torch
from torch import Tensor

from ucmkd.information.critic import held_out_scores
from ucmkd.information.estimates import Array, Estimate
from ucmkd.information.resampling import Rows, bootstrapped
from ucmkd.seeding import generator_for


def infonce(a: Array, b: Array, *, seed: int) -> Estimate:
    r"""Bound I(A; B) from below by a critic trained on one half of the rows, in nats.

    .. math:: \log B + \frac1B \sum_i \log \frac{e^{f(a_i,b_i)}}{\sum_j e^{f(a_i,b_j)}}

    over the B rows of the other half. It is never more than log B, which is the cap, and far below the
    information where that is near the cap, or where rows are too few to train the critic. The interval
    resamples the held-out terms; it leaves out the chance of the halves and of training.

    References
    ----------
    van den Oord, Li, Vinyals, "Representation learning with contrastive predictive coding", arXiv:1807.03748.
    """
    scores = held_out_scores(a, b, loss=_loss, bound=_bound, name="infonce", seed=seed)
    terms = contrast_terms(scores)

    def of_rows(rows: Rows) -> float:
        return float(terms[rows].mean())

    rng = generator_for(seed, "information", "infonce", "bootstrap")
    return bootstrapped(of_rows, len(terms), rng=rng, cap=math.log(len(terms)))


def contrast_terms(scores: Array) -> Array:
    """Give each row's term of the bound, from scores (B, B) with partners on the diagonal."""
    terms: Array = np.diag(torch.from_numpy(scores).log_softmax(dim=1).numpy()) + math.log(len(scores))
    return terms


def _bound(scores: Tensor) -> Tensor:
    return scores.log_softmax(dim=1).diagonal().mean() + math.log(len(scores))


def _loss(scores: Tensor) -> Tensor:
    return -_bound(scores)
