"""Make the student's features indistinguishable from the teacher's to a set of Gaussian kernels.

Blind to classes: the student may put its classes where the teacher has others. The kernels widen with the
features, so shrinking all of them gains nothing.
"""

from torch import Tensor

from ucmkd.methods import base
from ucmkd.methods.shared.feature_alignment import teacher_rows
from ucmkd.methods.shared.kernels import KernelSettings, discrepancies
from ucmkd.methods.shared.membership import everybody


class Method(base.Method[KernelSettings]):
    """Cross-entropy plus the unbiased squared discrepancy (Gretton et al., JMLR 2012)."""

    label = "MMD"
    needs = base.Needs(teacher=frozenset({"features"}))
    Settings = KernelSettings

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        own, other = student.features, teacher_rows(batch).features
        gap = discrepancies(own, other, everybody(own), everybody(other), self.settings.bandwidths)
        return {
            "loss/task": batch.task_loss(student.logits),
            "loss/alignment": self.settings.weight * gap.squeeze(0),
        }
