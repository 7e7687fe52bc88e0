"""Give the features of the student's batch the covariance of the teacher's.

Blind to the mean, and to which class a row belongs to. The size of the term goes with the fourth power of
the feature scale, so its weight means something else in every pair.
"""

import torch
from torch import Tensor

from ucmkd.methods import base
from ucmkd.methods.shared.feature_alignment import teacher_rows
from ucmkd.methods.shared.term_weight import WeightSettings


class Method(base.Method[WeightSettings]):
    r"""Cross-entropy plus :math:`\lVert C_S - C_T \rVert_F^2 / 4 d^2` (Sun, Saenko, arXiv:1607.01719)."""

    label = "CORAL"
    needs = base.Needs(teacher=frozenset({"features"}))
    Settings = WeightSettings

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        width = student.features.shape[1]
        gap = (torch.cov(student.features.mT) - torch.cov(teacher_rows(batch).features.mT)).square().sum()
        return {
            "loss/task": batch.task_loss(student.logits),
            "loss/alignment": self.settings.weight * gap / (4 * width**2),
        }
