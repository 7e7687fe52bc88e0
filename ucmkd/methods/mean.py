"""Pull the mean feature of the student's batch to that of the teacher's, whatever the rows are.

The weakest of the terms that align distributions, and the one with the least to estimate. Classes may be
exchanged freely without its noticing.
"""

from torch import Tensor

from ucmkd.methods import base
from ucmkd.methods.shared.feature_alignment import teacher_rows
from ucmkd.methods.shared.term_weight import WeightSettings


class Method(base.Method[WeightSettings]):
    r"""Cross-entropy plus :math:`\lVert \bar z^S - \bar z^T \rVert^2`.

    The maximum mean discrepancy of a linear kernel (Gretton et al., JMLR 2012).
    """

    label = "Mean"
    needs = base.Needs(teacher=frozenset({"features"}))
    Settings = WeightSettings

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        gap = student.features.mean(0) - teacher_rows(batch).features.mean(0)
        return {
            "loss/task": batch.task_loss(student.logits),
            "loss/alignment": self.settings.weight * gap.square().sum(),
        }
