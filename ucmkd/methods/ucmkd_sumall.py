"""UCMKD as one joint loss, without inner updates.

Label alignment contains the task loss, so its effective weight is 1 + lambda2.
"""

from torch import Tensor

from ucmkd.methods import base
from ucmkd.methods.shared.bilevel import UcmkdMethod, UcmkdSettings


class Method(UcmkdMethod[UcmkdSettings]):
    """Cross-entropy plus both alignment losses of arXiv:2606.10504."""

    label = "UCMKD (joint)"
    Settings = UcmkdSettings

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        return {
            "loss/task": batch.task_loss(student.logits),
            "loss/alignment": self.feature_loss(student, batch),
            "loss/label_alignment": self.label_loss(student, batch),
        }
