"""A map from the teacher's classes to the student's, and a prediction read through it."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class LabelMap:
    """Which student classes a teacher class stands for.

    Attributes
    ----------
    weights : Tensor, shape (teacher classes, student classes)
        Rows sum to 1.
    covered, rest : Tensor of int, shapes (c,) and (student classes - c,)
        The student classes the teacher has something to say of, and the others, which count as one.
    """

    weights: Tensor
    covered: Tensor
    rest: Tensor


def label_map(weights: Tensor, coverage: float, known: Tensor | None = None) -> LabelMap:
    """Make a map; a student class is covered if a teacher class sends it at least so much of its mass.

    Parameters
    ----------
    weights : Tensor, shape (teacher classes, student classes)
    coverage : float
        In (0, 1].
    known : Tensor of bool, shape (student classes,), or None
        Which student classes the teacher has seen; the others are not covered.

    Raises
    ------
    ValueError
        If a weight is negative or a row does not sum to 1.
    """
    sums = weights.sum(1)
    if bool((weights < 0).any()) or not torch.allclose(sums, torch.ones_like(sums), atol=1e-5):
        raise ValueError("a label map needs weights from 0 up and rows that sum to 1; divide by the row sums")
    is_covered = weights.amax(0) >= coverage
    if known is not None:
        is_covered &= known
    return LabelMap(weights, *(part.nonzero().squeeze(1) for part in (is_covered, ~is_covered)))


def confusion_map(logits: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Estimate the share of each label among the samples for which the teacher predicts a class.

    Parameters
    ----------
    logits : Tensor, shape (m, classes)
    labels : Tensor of int, shape (m,)
    classes : int

    Returns
    -------
    Tensor, shape (classes, classes)
        Rows by predicted class sum to 1; a class that is never predicted stands for itself.
    """
    cells = torch.bincount(logits.argmax(1) * classes + labels, minlength=classes**2)
    counts = cells.reshape(classes, classes).to(logits.dtype)
    counts += torch.diag((counts.sum(1) == 0).to(logits.dtype))
    return counts / counts.sum(1, keepdim=True)


def mapped_divergence(
    student_logits: Tensor, teacher_logits: Tensor, mapping: LabelMap, *, temperature: float
) -> Tensor:
    r"""Compare predictions over different classes: :math:`KL(p^t A\|p^s)`, uncovered classes taken as one.

    Parameters
    ----------
    student_logits : Tensor, shape (n, student classes)
    teacher_logits : Tensor, shape (n, teacher classes)
    mapping : LabelMap
    temperature : float

    Returns
    -------
    Tensor, shape (n,)
    """
    given = F.softmax(teacher_logits / temperature, 1) @ mapping.weights
    log_own = F.log_softmax(student_logits / temperature, 1)
    p, log_q = given[:, mapping.covered], log_own[:, mapping.covered]
    if mapping.rest.numel() > 0:
        p = torch.cat([p, given[:, mapping.rest].sum(1, keepdim=True)], 1)
        log_q = torch.cat([log_q, log_own[:, mapping.rest].logsumexp(1, keepdim=True)], 1)
    return (torch.xlogy(p, p) - p * log_q).sum(1)
