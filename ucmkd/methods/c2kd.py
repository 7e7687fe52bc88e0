"""C2KD: teacher and student learn together, each through a proxy, and only where the proxies agree in rank.

The teacher is trained too: a copy of it is, so that other methods meet the teacher as it was. Samples on
which the proxies order the classes differently are left out of the transfer across modalities, since the gap
between modalities is thought to do harm there. The proxies must see the same instance, so pairs are needed.
Trap: with two classes nothing is left to transfer once the target class is removed.
"""

from copy import deepcopy
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ucmkd.methods import base
from ucmkd.methods.shared.class_statistics import bank_of, matched_mean
from ucmkd.methods.shared.divergences import divergence
from ucmkd.methods.shared.feature_alignment import teacher_rows
from ucmkd.methods.shared.rank_correlation import kendall_tau
from ucmkd.methods.shared.seeded_modules import seeded
from ucmkd.methods.shared.term_weight import WeightSettings


@dataclass(frozen=True, kw_only=True)
class Settings(WeightSettings):
    """How both sides learn from each other.

    Attributes
    ----------
    weight : float
        Of the six terms that compare two predictions; both cross-entropies have weight 1.
    threshold : float
        Samples are kept whose proxies have a Kendall correlation above it; below -1 all are, at 1 none.
    mask : "neg_inf" or "zero"
        Whether the target class is removed, or its logit is set to 0 as in the authors' code, which leaves a
        class that nobody spoke of.
    reduction : "all" or "kept"
        Whether the transfer is divided by the number of samples, or of those that are kept.
    """

    threshold: float = 0.0
    mask: Literal["neg_inf", "zero"] = "neg_inf"
    reduction: Literal["all", "kept"] = "all"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.threshold <= 1:
            raise ValueError(f"threshold is {self.threshold}; it must be at most 1, where no sample is kept")


def proxy(width: int, classes: int) -> nn.Sequential:
    """Make a classifier of pooled features: linear, batch normalisation, leaky rectifier, linear.

    The original has a 1x1 convolution after global pooling, which is the same function as a linear map of the
    pooled feature; in this form it also serves encoders without maps.
    """
    return nn.Sequential(
        nn.Linear(width, width), nn.BatchNorm1d(width), nn.LeakyReLU(0.1), nn.Linear(width, classes)
    )


class Parts(nn.Module):
    """What is trained along: a copy of the teacher, and a proxy of each side."""

    def __init__(self, teacher: nn.Module, width: int, classes: int) -> None:
        super().__init__()
        self.teacher = deepcopy(teacher).requires_grad_(True)
        self.teacher_proxy, self.student_proxy = proxy(width, classes), proxy(width, classes)


def without_target(logits: Tensor, labels: Tensor, mask: Literal["neg_inf", "zero"]) -> Tensor:
    """Take the target class out.

    Parameters
    ----------
    logits : Tensor, shape (n, classes)
    labels : Tensor, shape (n,)
    mask : "neg_inf" or "zero"

    Returns
    -------
    Tensor
        Of shape (n, classes - 1) without the class, in another order; of shape (n, classes) with 0 for it.
    """
    if mask == "zero":
        return logits.scatter(1, labels.unsqueeze(1), 0.0)
    classes = logits.shape[1]
    others = labels.unsqueeze(1) + torch.arange(1, classes, device=labels.device)
    return logits.gather(1, others % classes)


class Method(base.Method[Settings]):
    r"""Huo et al., "C2KD: bridging the modality gap for cross-modal knowledge distillation", CVPR 2024.

    With logits :math:`a` of the teacher and :math:`b` of the student, :math:`u` and :math:`v` of their
    proxies, and sg for stop-gradient,

    .. math:: CE(a,y) + CE(b,y) + KL(sg\,a\|u) + KL(sg\,u\|a) + KL(sg\,b\|v) + KL(sg\,v\|b)
        + NT(sg\,u \to v) + NT(sg\,v \to u)

    where NT is the mean of :math:`KL(\tilde p\|\tilde q)` without the target class, over samples with
    Kendall's :math:`\tau_b(u,v) > \tau_0`. Teacher, student and proxies take the same optimiser steps. Rows
    without a partner count in what the student learns from its own proxy and label, and nowhere else.
    """

    label = "C2KD"
    needs = base.Needs(
        teacher=frozenset({"live"}), correspondence="instance", student_labels=True, teacher_labels=True
    )
    Settings = Settings

    def prepare(self, context: base.Context) -> nn.Module | None:
        network = bank_of(context).network
        if network is None:
            raise TypeError("a method that needs the teacher live is given its network")
        self._parts = seeded(lambda: Parts(network, context.width, context.classes), context.generator)
        return self._parts

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        rows, parts, weight = teacher_rows(batch), self._parts, self.settings.weight
        teacher: base.Outputs = parts.teacher(rows.inputs)
        batch.monitor.ledger.teacher_forwards += 1
        batch.monitor.ledger.teacher_backwards += 1
        of_teacher, of_student = parts.teacher_proxy(teacher.features), parts.student_proxy(student.features)
        kept = kendall_tau(of_teacher, of_student) > self.settings.threshold
        if rows.matched is not None:
            kept = kept & rows.matched
        batch.monitor.observe("transfer/kept", kept.float().mean())
        task = F.cross_entropy(teacher.logits, rows.labels, reduction="none")
        return {
            "loss/task": batch.task_loss(student.logits),
            "loss/teacher_task": matched_mean(task, rows.matched),
            "loss/teacher_to_proxy": weight * _copied(teacher.logits, of_teacher, rows.matched),
            "loss/proxy_to_teacher": weight * _copied(of_teacher, teacher.logits, rows.matched),
            "loss/student_to_proxy": weight * _copied(student.logits, of_student, None),
            "loss/proxy_to_student": weight * _copied(of_student, student.logits, None),
            "loss/transfer_to_student": weight * self._transfer(of_teacher, of_student, kept, batch),
            "loss/transfer_to_teacher": weight * self._transfer(of_student, of_teacher, kept, batch),
        }

    def _transfer(self, source: Tensor, learner: Tensor, kept: Tensor, batch: base.Batch) -> Tensor:
        """Compare the classes other than the target, on the samples that are kept."""
        mask, matched = self.settings.mask, teacher_rows(batch).matched
        given = without_target(source.detach(), batch.labels, mask)
        rows = divergence("forward", without_target(learner, batch.labels, mask), given)
        return matched_mean(rows * kept, kept if self.settings.reduction == "kept" else matched)


def _copied(source: Tensor, learner: Tensor, matched: Tensor | None) -> Tensor:
    return matched_mean(divergence("forward", learner, source.detach()), matched)
