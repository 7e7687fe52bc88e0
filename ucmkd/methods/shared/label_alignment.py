"""Label alignment (LA) with a label-transport kernel, in its published and in its other readings."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from ucmkd.methods.base import Batch, TeacherBank
from ucmkd.methods.shared.class_statistics import class_means

Form = Literal["head_only", "paper", "paper_live", "entropy", "aligned", "kd_gate"]
Kernel = Literal["plugin", "ratio_clipped", "one", "zero", "class_mean"]


@dataclass(frozen=True, kw_only=True)
class LabelSettings:
    r"""Which label alignment.

    Attributes
    ----------
    la_form : str
        With :math:`CE_S`, :math:`CE_T` the cross-entropies of the student's and the teacher's head on student
        features. ``head_only``: as released, :math:`CE_S` on detached features and the rest constant.
        ``paper``: :math:`CE_S - sg[\kappa] CE_T`. ``paper_live``: the same without stop-gradient.
        ``entropy``: :math:`CE_S - H(p_T(\cdot|z))`. ``aligned``: :math:`CE_S + sg[\kappa] CE_T`.
        ``kd_gate``: :math:`CE_S + sg[\kappa] KL(sg[p_T]\|p_S)`.
    kappa : str
        ``plugin`` :math:`p_T(y|z)`; ``ratio_clipped`` :math:`\min(p_T/p_S, \kappa_{max})`; ``one``; ``zero``;
        ``class_mean`` the mean of :math:`p_T(y|z^T)` over the teacher's samples of class y.
    kappa_max : float
    """

    la_form: Form = "paper"
    kappa: Kernel = "plugin"
    kappa_max: float = 5.0


def kernel(
    kind: Kernel,
    log_student: Tensor,
    log_teacher: Tensor,
    labels: Tensor,
    kappa_max: float,
    class_mean: Tensor,
) -> Tensor:
    r"""Estimate :math:`\kappa(y, z)` of each sample.

    Parameters
    ----------
    kind : str
    log_student, log_teacher : Tensor, shape (n, classes)
        Log-probabilities of the two heads on the same student features.
    labels : Tensor, shape (n,)
    kappa_max : float
    class_mean : Tensor, shape (classes,)

    Returns
    -------
    Tensor, shape (n,)
    """
    own = log_teacher.gather(1, labels.unsqueeze(1)).squeeze(1)
    if kind == "plugin":
        return own.exp()
    if kind == "ratio_clipped":
        return (own - log_student.gather(1, labels.unsqueeze(1)).squeeze(1)).exp().clamp(max=kappa_max)
    if kind == "class_mean":
        return class_mean[labels]
    return torch.full_like(own, 1.0 if kind == "one" else 0.0)


def class_mean_kernel(bank: TeacherBank, classes: int) -> Tensor:
    """Mean probability that the teacher gives the true class, by class; shape (classes,)."""
    probability = F.softmax(bank.logits, 1).gather(1, bank.labels.unsqueeze(1))
    return class_means(probability, bank.labels, classes).squeeze(1)


def label_alignment(
    student_logits: Tensor, cross_logits: Tensor, batch: Batch, settings: LabelSettings, class_mean: Tensor
) -> Tensor:
    r"""Label alignment loss, averaged over the batch.

    Parameters
    ----------
    student_logits : Tensor, shape (n, classes)
        For ``head_only`` of detached features.
    cross_logits : Tensor, shape (n, classes)
        The teacher's head on the same student features.
    batch : Batch
        All labels shown.
    settings : LabelSettings
    class_mean : Tensor, shape (classes,)

    References
    ----------
    Tran et al., arXiv:2606.10504, label alignment and its appendix on the plug-in kernel.
    """
    form = settings.la_form
    task = batch.task_loss(student_logits)
    if form == "head_only":
        cross_logits = cross_logits.detach()
    log_teacher = F.log_softmax(cross_logits, 1)
    if form == "entropy":
        return task + (log_teacher.exp() * log_teacher).sum(1).mean()
    log_student = F.log_softmax(student_logits, 1)
    with torch.set_grad_enabled(form == "paper_live"):
        kappa = kernel(settings.kappa, log_student, log_teacher, batch.labels, settings.kappa_max, class_mean)
    if form == "kd_gate":
        target = log_teacher.detach()
        return task + (kappa * (target.exp() * (target - log_student)).sum(1)).mean()
    cross = (kappa * F.nll_loss(log_teacher, batch.labels, reduction="none")).mean()
    return task + cross if form == "aligned" else task - cross
