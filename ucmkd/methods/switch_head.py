"""Switched heads: the student's features are judged by the teacher's head.

A row with a partner is to be read by that head as the partner was; a row without one is to be read as its
own label. Either way the student's features are drawn to where the teacher's head can use them, in the
teacher's coordinates, which another modality may be unable to reach. The second form needs no pair at all,
and knows of the teacher nothing but its head. The student's own head is trained by the task loss alone.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ucmkd.methods import base
from ucmkd.methods.shared.class_statistics import bank_of, known_classes, matched_mean
from ucmkd.methods.shared.divergences import divergence
from ucmkd.methods.shared.feature_alignment import teacher_rows


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the judgement counts.

    Attributes
    ----------
    weight : float
    temperature : float
        Of the divergence from the partner's prediction; labels are compared at 1.
    """

    weight: float = 1.0
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if self.weight < 0:
            raise ValueError(f"weight is {self.weight}; it must be at least 0")
        if self.temperature <= 0:
            raise ValueError(f"temperature is {self.temperature}; it must be above 0")


class Method(base.Method[Settings]):
    r"""Our reading of switched pathways (Switch-KD) for classifiers.

    .. math:: CE + \lambda\, \overline{\ell}, \qquad \ell_i = T^2 KL(p^t_i\|p^c_i)
              \text{ with a partner, } -\log p^c_i(y_i) \text{ without}

    with the cross logits :math:`c = h_T(z^S)`. A row without a partner, of a class that the teacher has no
    row of, does not count: the head was not trained to tell it.
    """

    label = "Switched head"
    needs = base.Needs(teacher=frozenset({"logits", "head"}), student_labels=True)
    Settings = Settings

    def prepare(self, context: base.Context) -> nn.Module | None:
        self._bank = bank_of(context)
        self._known = known_classes(self._bank, context.classes)
        return None

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        s, teacher = self.settings, teacher_rows(batch)
        cross = self._bank.head(student.features)
        rows = F.cross_entropy(cross, batch.labels, reduction="none")
        counted = None if self._known is None else self._known[batch.labels]
        if teacher.matched is not None:
            copied = divergence("forward", cross, teacher.logits, temperature=s.temperature)
            rows = torch.where(teacher.matched, s.temperature**2 * copied, rows)
            counted = None if counted is None else counted | teacher.matched
        return {
            "loss/task": batch.task_loss(student.logits),
            "loss/switch": s.weight * matched_mean(rows, counted),
        }
