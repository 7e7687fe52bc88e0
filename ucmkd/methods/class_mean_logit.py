"""Pull each student's logits to the teacher's mean logits on its class.

The target of a class keeps what a softmax throws away, the scale of the logits; a confident teacher asks for
large ones.
"""

from torch import Tensor, nn

from ucmkd.methods import base
from ucmkd.methods.shared.class_pull import ClassPull
from ucmkd.methods.shared.class_statistics import bank_of
from ucmkd.methods.shared.term_weight import WeightSettings


class Method(base.Method[WeightSettings]):
    r"""Cross-entropy plus :math:`\lVert s - \bar t_y \rVert^2 / K`, with the class mean :math:`\bar t_y`."""

    label = "Class-mean logits"
    needs = base.Needs(teacher=frozenset({"logits"}), student_labels=True, teacher_labels=True)
    Settings = WeightSettings

    def prepare(self, context: base.Context) -> nn.Module | None:
        self._pull = ClassPull(bank_of(context).logits, bank_of(context), context.classes)
        return None

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        distance = self._pull(student.logits, batch.labels)
        return {
            "loss/task": batch.task_loss(student.logits),
            "loss/distillation": self.settings.weight * distance,
        }
