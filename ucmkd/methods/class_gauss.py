"""Give the student's features of each class the mean and the variances of the teacher's.

Diagonal: correlations between features are not looked at. A batch has few rows of a class, so the student's
variances are shrunk to those pooled over its classes; the teacher's are the fixed reference, which keeps the
gradient bounded where the student's rows happen to lie close together.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ucmkd.methods import base
from ucmkd.methods.shared.class_statistics import bank_of, known_classes, matched_mean
from ucmkd.methods.shared.moments import class_gaussians, gaussian_kl
from ucmkd.methods.shared.term_weight import WeightSettings


@dataclass(frozen=True, kw_only=True)
class Settings(WeightSettings):
    """How the Gaussians are fitted.

    Attributes
    ----------
    weight : float
        Of the divergence, averaged over classes and feature entries.
    shrinkage : float
        How many rows the variance pooled over classes counts as, on both sides.
    floor : float
        Added to all variances, as a share of the teacher's mean variance within classes.
    """

    shrinkage: float = 4.0
    floor: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.shrinkage >= 0:
            raise ValueError(f"shrinkage is {self.shrinkage}; it counts rows, so it must be at least 0")
        if not self.floor > 0:
            raise ValueError(f"floor is {self.floor}; without one a feature that never varies divides by 0")


class Method(base.Method[Settings]):
    r"""Cross-entropy plus the mean over classes of :math:`KL(N^S_k \| N^T_k) / d`, diagonal Gaussians.

    Over the classes that the teacher knows and of which the batch has two rows or more.
    """

    label = "Class Gaussians"
    needs = base.Needs(teacher=frozenset({"features"}), student_labels=True, teacher_labels=True)
    Settings = Settings

    def prepare(self, context: base.Context) -> nn.Module | None:
        bank, self._classes = bank_of(context), context.classes
        self._means, variances = class_gaussians(
            bank.features, bank.labels, context.classes, self.settings.shrinkage
        )
        known = known_classes(bank, context.classes)
        self._known = torch.ones_like(variances[:, 0], dtype=torch.bool) if known is None else known
        self._floor = self.settings.floor * variances[self._known].mean().clamp(min=1e-6)
        self._variances = variances + self._floor
        return None

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        s, labels = self.settings, batch.labels
        means, variances = class_gaussians(student.features, labels, self._classes, s.shrinkage)
        distances = gaussian_kl(means, variances + self._floor, self._means, self._variances).mean(1)
        counted = self._known & (torch.bincount(labels, minlength=self._classes) >= 2)
        return {
            "loss/task": batch.task_loss(student.logits),
            "loss/alignment": s.weight * matched_mean(distances, counted),
        }
