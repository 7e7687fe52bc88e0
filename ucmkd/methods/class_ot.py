"""Transport the student's features onto the teacher's within each class.

Feature alignment with an infinite cost between classes. Batches that meet without correspondence have
different class counts, for which no such plan exists with uniform weights; the teacher's rows are therefore
reweighted to the student's class shares, and classes that only one side has are left out of the batch.
"""

from dataclasses import dataclass

from torch import Tensor

from ucmkd.methods import base
from ucmkd.methods.shared.feature_alignment import teacher_rows
from ucmkd.methods.shared.term_weight import WeightSettings
from ucmkd.methods.shared.within_class_transport import class_transport
from ucmkd.transport.cost import Metric
from ucmkd.transport.sinkhorn import RegMode


@dataclass(frozen=True, kw_only=True)
class Settings(WeightSettings):
    """How the rows of a class are compared.

    Attributes
    ----------
    weight : float
        Of the transport cost.
    cost : str
        Between two features.
    reg, reg_mode
        Entropic regularisation: a share of the median cost within classes, or in units of the cost.
    """

    cost: Metric = "l2"
    reg: float = 0.05
    reg_mode: RegMode = "relative"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.reg > 0:
            raise ValueError(f"reg is {self.reg}; it must be above 0")


class Method(base.Method[Settings]):
    """Cross-entropy plus class-conditional transport, as in DeepJDOT with forbidden pairs.

    Damodaran et al., arXiv:1803.10081, whose label cost is finite and reads the classifier's predictions.
    """

    label = "Class-wise OT"
    needs = base.Needs(teacher=frozenset({"features"}), student_labels=True, teacher_labels=True)
    Settings = Settings

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        s, teacher = self.settings, teacher_rows(batch)
        loss = class_transport(
            student.features, teacher.features, batch.labels, teacher.labels,
            metric=s.cost, reg=s.reg, reg_mode=s.reg_mode,
        )  # fmt: skip
        if loss is None:
            return {
                "loss/task": batch.task_loss(student.logits),
                "loss/alignment": student.features.new_zeros(()),
            }
        batch.monitor.ledger.ot_iterations += loss.iterations
        batch.monitor.observe("transport/sharpness", loss.sharpness)
        return {
            "loss/task": batch.task_loss(student.logits),
            "loss/alignment": s.weight * loss.value,
        }
