"""Distillation through a label map: the teacher's prediction, read in the student's classes.

Made for vocabularies that differ. In this benchmark they are equal, so the map can say two things: that
classes are what they are called (``identity``, plain distillation), or what the teacher's predictions turn
out to be (``confusion``), which corrects systematic confusions. What the teacher has nothing to say of is
one extra class, so the student is free to divide it. The map is estimated on the rows that students
meet: where the teacher was trained on those and learned them by heart, it finds no confusion.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from ucmkd.methods import base
from ucmkd.methods.shared.class_statistics import bank_of, known_classes, matched_mean
from ucmkd.methods.shared.feature_alignment import teacher_rows
from ucmkd.methods.shared.label_map import confusion_map, label_map, mapped_divergence
from ucmkd.methods.shared.soft_targets import SOFT_TARGET_RANGES


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the teacher is read.

    Attributes
    ----------
    map : "identity" or "confusion"
    coverage : float
        A student class counts by itself if a teacher class sends it at least this share of its mass.
    temperature : float
    weight : float
        Of the divergence; the task loss keeps the rest of 1.
    """

    map: Literal["identity", "confusion"] = "confusion"
    coverage: float = 0.1
    temperature: float = 4.0
    weight: float = 0.9

    def __post_init__(self) -> None:
        if not 0 < self.coverage <= 1:
            raise ValueError(f"coverage is {self.coverage}; it must lie in (0, 1]")
        if self.temperature <= 0:
            raise ValueError(f"temperature is {self.temperature}; it must be above 0")
        if not 0 <= self.weight <= 1:
            raise ValueError(f"weight is {self.weight}; it must lie in [0, 1]")


class Method(base.Method[Settings]):
    r"""Our reading of projected divergences between tokenisers (X-Token) for classes.

    .. math:: (1 - \alpha) CE + \alpha T^2 KL(p^t A\|p^s)

    with a map :math:`A` (teacher classes, student classes) whose rows sum to 1, and the classes that are not
    covered taken as one on both sides.
    """

    label = "Label-map KD"
    needs = base.Needs(teacher=frozenset({"logits"}), correspondence="class", teacher_labels=True)
    tuned = SOFT_TARGET_RANGES
    Settings = Settings

    def prepare(self, context: base.Context) -> nn.Module | None:
        bank, classes = bank_of(context), context.classes
        weights = (
            confusion_map(bank.logits, bank.labels, classes)
            if self.settings.map == "confusion"
            else torch.eye(classes, dtype=bank.logits.dtype, device=bank.logits.device)
        )
        self._map = label_map(weights, self.settings.coverage, known_classes(bank, classes))
        return None

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        s, teacher = self.settings, teacher_rows(batch)
        rows = mapped_divergence(student.logits, teacher.logits, self._map, temperature=s.temperature)
        return {
            "loss/task": (1 - s.weight) * batch.task_loss(student.logits),
            "loss/mapped": s.weight * s.temperature**2 * matched_mean(rows, teacher.matched),
        }
