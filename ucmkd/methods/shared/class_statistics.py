"""What the teacher says of a class on average; computed once, needing no pairing of any kind."""

import torch
from torch import Tensor
from torch.nn import functional as F

from ucmkd.methods.base import Context, TeacherBank


def class_means(values: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Average rows by class.

    Parameters
    ----------
    values : Tensor, shape (m, d)
    labels : Tensor, shape (m,)
    classes : int

    Returns
    -------
    Tensor, shape (classes, d)
        Zero for a class without a row, see :func:`known_classes`.
    """
    sums = torch.zeros(classes, values.shape[1], dtype=values.dtype, device=values.device)
    counts = torch.bincount(labels, minlength=classes).clamp(min=1).unsqueeze(1)
    return sums.index_add(0, labels, values) / counts


def known_classes(bank: TeacherBank, classes: int) -> Tensor | None:
    """Tell which classes the teacher has a row of, shape (classes,); None if it has of every one."""
    known = torch.bincount(bank.labels, minlength=classes) > 0
    return None if bool(known.all()) else known


def class_mean_logits(bank: TeacherBank, classes: int, temperature: float) -> Tensor:
    """Give logits whose softmax at this temperature is the mean softened prediction on each class.

    Returns
    -------
    Tensor, shape (classes, classes)
    """
    soft = F.softmax(bank.logits / temperature, 1)
    return class_means(soft, bank.labels, classes).clamp(min=1e-30).log() * temperature


def bank_of(context: Context) -> TeacherBank:
    """Give the teacher rows a method was promised."""
    if context.teacher is None:
        raise TypeError("a method that declares what it needs of a teacher is given one")
    return context.teacher


def matched_mean(values: Tensor, matched: Tensor | None) -> Tensor:
    """Average over the student rows that correspond to a teacher row (all, if none are told apart).

    Parameters
    ----------
    values : Tensor, shape (n,)
    matched : Tensor of bool, shape (n,), or None
    """
    if matched is None:
        return values.mean()
    return (values * matched).sum() / matched.sum().clamp(min=1)
