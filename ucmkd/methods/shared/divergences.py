"""Divergences between the teacher's and the student's softened predictions, row by row."""

from typing import Literal

from torch import Tensor
from torch.nn import functional as F

Kind = Literal["forward", "reverse", "jsd", "tvd", "skew", "mse_logit"]


def divergence(
    kind: Kind,
    student_logits: Tensor,
    teacher_logits: Tensor,
    *,
    temperature: float = 1.0,
    mixing: float = 0.5,
) -> Tensor:
    r"""Compare predictions of two classifiers.

    With :math:`p` the teacher's and :math:`q` the student's softmax at this temperature, and :math:`\beta`
    the mixing: forward :math:`KL(p\|q)`; reverse :math:`KL(q\|p)`; jsd
    :math:`\beta KL(p\|m) + (1-\beta) KL(q\|m)` with :math:`m=\beta p+(1-\beta)q`; tvd
    :math:`\tfrac12\|p-q\|_1`; skew :math:`KL(p\|\beta p+(1-\beta)q)`; mse_logit the mean squared difference
    of the logits.

    Parameters
    ----------
    kind : str
    student_logits, teacher_logits : Tensor, shape (n, classes)
    temperature, mixing : float

    Returns
    -------
    Tensor, shape (n,)

    References
    ----------
    Hinton, Vinyals, Dean, arXiv:1503.02531 (forward); Agarwal et al., arXiv:2306.13649 (reverse, jsd);
    Ko et al., arXiv:2402.03898 (skew).
    """
    if kind == "mse_logit":
        return (student_logits - teacher_logits).square().mean(1)
    log_q = F.log_softmax(student_logits / temperature, 1)
    log_p = F.log_softmax(teacher_logits / temperature, 1)
    if kind == "forward":
        return _kl(log_p, log_q)
    if kind == "reverse":
        return _kl(log_q, log_p)
    if kind == "tvd":
        return 0.5 * (log_p.exp() - log_q.exp()).abs().sum(1)
    mixture = (mixing * log_p.exp() + (1 - mixing) * log_q.exp()).clamp(min=1e-30).log()
    if kind == "skew":
        return _kl(log_p, mixture)
    return mixing * _kl(log_p, mixture) + (1 - mixing) * _kl(log_q, mixture)


def _kl(log_p: Tensor, log_q: Tensor) -> Tensor:
    return (log_p.exp() * (log_p - log_q)).sum(1)
