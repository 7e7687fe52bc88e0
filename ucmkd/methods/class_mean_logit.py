"""Pull each student's logits to the teacher's mean logits on its class.

The target of a class keeps what a softmax throws away, the scale of the logits; a confident teacher asks for
large ones.
"""

from torch import Tensor, nn

from ucmkd.methods import base
from ucmkd.methods.shared.class_statistics import bank_of, class_means, known_classes, matched_mean
from ucmkd.methods.shared.divergences import divergence
from ucmkd.methods.shared.term_weight import WeightSettings


class Method(base.Method[WeightSettings]):
    r"""Cross-entropy plus :math:`\lVert s - \bar t_y \rVert^2 / K`, with the class mean :math:`\bar t_y`."""

    label = "Class-mean logits"
    needs = base.Needs(teacher=frozenset({"logits"}), student_labels=True, teacher_labels=True)
    Settings = WeightSettings

    def prepare(self, context: base.Context) -> nn.Module | None:
        bank = bank_of(context)
        self._means = class_means(bank.logits, bank.labels, context.classes)
        self._known = known_classes(bank, context.classes)
        return None

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        taught = None if self._known is None else self._known[batch.labels]
        rows = divergence("mse_logit", student.logits, self._means[batch.labels])
        return {
            "loss/task": batch.task_loss(student.logits),
            "loss/distillation": self.settings.weight * matched_mean(rows, taught),
        }
