"""Divergences of predictions taken apart by class: one class against the rest, and a rest by itself.

The forward divergence of two predictions is that of the target class against the rest, plus the teacher's
mass on the rest times the divergence within the rest (Zhao et al., arXiv:2203.08679, section 3).
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from ucmkd.methods.base import Batch

NEVER = -1e9
"""Logit of a class that is left out; finite, so that its share is 0 and nothing is undefined."""

PART_RANGES = {"alpha": (0.01, 10.0), "beta": (0.08, 80.0)}
"""Where tuning looks for the weights of the two parts."""


def one_class_divergence(
    student_logits: Tensor,
    teacher_logits: Tensor,
    student_classes: Tensor,
    teacher_classes: Tensor,
    *,
    temperature: float,
) -> Tensor:
    r"""Compare how sure teacher and student are, each of a class of its own.

    :math:`KL(b^t\|b^s)` with :math:`b = (p_k, 1 - p_k)` of the softened predictions :math:`p`.

    Parameters
    ----------
    student_logits, teacher_logits : Tensor, shape (n, classes)
    student_classes, teacher_classes : Tensor of int, shape (n,)
    temperature : float

    Returns
    -------
    Tensor, shape (n,)
    """
    log_q = _one_and_rest(student_logits / temperature, student_classes)
    log_p = _one_and_rest(teacher_logits / temperature, teacher_classes)
    return _kl(log_p, log_q)


def rest_divergence(
    student_logits: Tensor, teacher_logits: Tensor, left_out: Tensor, *, temperature: float
) -> Tensor:
    r"""Compare predictions over the classes that are not left out: :math:`KL(\hat p^t\|\hat p^s)`.

    Parameters
    ----------
    student_logits, teacher_logits : Tensor, shape (n, classes)
    left_out : Tensor of bool, shape (n, classes)
    temperature : float

    Returns
    -------
    Tensor, shape (n,)
        0 where one class is left or none.
    """
    log_q = F.log_softmax((student_logits / temperature).masked_fill(left_out, NEVER), 1)
    log_p = F.log_softmax((teacher_logits / temperature).masked_fill(left_out, NEVER), 1)
    return _kl(log_p, log_q)


def is_label(labels: Tensor, classes: int) -> Tensor:
    """Mark the class of each sample; bool, shape (n, classes)."""
    return labels.unsqueeze(1) == torch.arange(classes, device=labels.device)


def warm_up(batch: Batch, epochs: int) -> float:
    """Give the share of its weight that a term has in this epoch: all of it after so many, and if 0."""
    return min(batch.epoch / epochs, 1.0) if epochs else 1.0


def _one_and_rest(scaled: Tensor, chosen: Tensor) -> Tensor:
    """Log-probabilities of the chosen class and of all others together; shape (n, 2)."""
    log_probability = F.log_softmax(scaled, 1)
    own = log_probability.gather(1, chosen.unsqueeze(1))
    rest = log_probability.masked_fill(is_label(chosen, scaled.shape[1]), NEVER).logsumexp(1, keepdim=True)
    return torch.cat([own, rest], 1)


def _kl(log_p: Tensor, log_q: Tensor) -> Tensor:
    return (log_p.exp() * (log_p - log_q)).sum(1)
