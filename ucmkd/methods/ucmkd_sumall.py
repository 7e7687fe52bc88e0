"""UCMKD as one joint loss, without inner updates.

Label alignment contains the task loss, so its effective weight is 1 + lambda2.
"""

from dataclasses import dataclass

from torch import Tensor

from ucmkd.methods import base
from ucmkd.methods.shared.bilevel import UcmkdMethod, UcmkdSettings


@dataclass(frozen=True, kw_only=True)
class Settings(UcmkdSettings):
    """Every form of label alignment but ``head_only``, which is a step of its own."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.la_form == "head_only":
            raise ValueError("la_form is head_only; a joint loss has no step for the head alone")


class Method(UcmkdMethod[Settings]):
    """Cross-entropy plus both alignment losses of arXiv:2606.10504."""

    label = "UCMKD (joint)"
    Settings = Settings

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        return {
            "loss/task": batch.task_loss(student.logits),
            "loss/alignment": self.feature_loss(student, batch),
            "loss/label_alignment": self.label_loss(student, batch),
        }
