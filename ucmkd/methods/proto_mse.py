"""Pull each student feature to the teacher's prototype of its class."""

from torch import Tensor, nn

from ucmkd.methods import base
from ucmkd.methods.shared.class_pull import ClassPull
from ucmkd.methods.shared.class_statistics import bank_of
from ucmkd.methods.shared.term_weight import WeightSettings


class Method(base.Method[WeightSettings]):
    r"""Cross-entropy plus :math:`\lVert z - \mu_y\rVert^2 / d`; :math:`\mu_y` is the class mean."""

    label = "Prototypes (MSE)"
    needs = base.Needs(teacher=frozenset({"features"}), student_labels=True, teacher_labels=True)
    Settings = WeightSettings

    def prepare(self, context: base.Context) -> nn.Module | None:
        self._pull = ClassPull(bank_of(context).features, bank_of(context), context.classes)
        return None

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        distance = self._pull(student.features, batch.labels)
        return {
            "loss/task": batch.task_loss(student.logits),
            "loss/prototype": self.settings.weight * distance,
        }
