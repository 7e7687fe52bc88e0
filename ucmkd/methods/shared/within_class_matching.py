"""Which teacher row of its class suits a student sample best, and when that is asked again."""

import torch
from torch import Tensor
from torch.nn import functional as F


def cross_divergence(target_logits: Tensor, logits: Tensor, temperature: float) -> Tensor:
    r"""Compare every target with every prediction.

    Parameters
    ----------
    target_logits : Tensor, shape (m, classes)
    logits : Tensor, shape (n, classes)
    temperature : float

    Returns
    -------
    Tensor, shape (m, n)
        :math:`KL(p_i \| q_j)` of the softened predictions.
    """
    log_p, log_q = F.log_softmax(target_logits / temperature, 1), F.log_softmax(logits / temperature, 1)
    p = log_p.exp()
    return (p * log_p).sum(1, keepdim=True) - p @ log_q.T


def best_in_class(scores: Tensor, labels: Tensor, teacher_labels: Tensor) -> Tensor:
    """Find the teacher row of the highest score in each sample's class.

    Parameters
    ----------
    scores : Tensor, shape (n, m)
    labels, teacher_labels : Tensor, shapes (n,) and (m,)

    Returns
    -------
    Tensor of int, shape (n,)
        The first of equals. Of no meaning for a sample of a class that the teacher has no row of.
    """
    same = labels.unsqueeze(1) == teacher_labels.unsqueeze(0)
    return scores.masked_fill(~same, -torch.inf).argmax(1)


def last_refresh(epoch: int, first: int, interval: int, growth: int) -> int:
    """Find the last epoch, up to this one, in which choices are made: 1, ``first``, then at growing gaps."""
    last, following, gap = 1, first, interval
    while following <= epoch:
        last, following, gap = following, following + gap, gap + growth
    return last
