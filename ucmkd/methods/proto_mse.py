"""Pull each student feature to the teacher's prototype of its class."""

from dataclasses import dataclass

from torch import Tensor, nn

from ucmkd.methods import base
from ucmkd.methods.shared.class_statistics import bank_of, class_means, known_classes, matched_mean


@dataclass(frozen=True, kw_only=True)
class Settings:
    """``weight``: of the squared distance, averaged over samples and feature entries."""

    weight: float = 1.0


class Method(base.Method[Settings]):
    r"""Cross-entropy plus :math:`\lVert z - \mu_y\rVert^2`, with :math:`\mu_y` the teacher's class mean."""

    label = "Prototypes (MSE)"
    needs = base.Needs(teacher=frozenset({"features"}), student_labels=True, teacher_labels=True)
    Settings = Settings

    def prepare(self, context: base.Context) -> nn.Module | None:
        bank = bank_of(context)
        self._prototypes = class_means(bank.features, bank.labels, context.classes)
        self._known = known_classes(bank, context.classes)
        return None

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        matched = None if self._known is None else self._known[batch.labels]
        distances = (student.features - self._prototypes[batch.labels]).square().mean(1)
        return {
            "loss/task": batch.task_loss(student.logits),
            "loss/prototype": self.settings.weight * matched_mean(distances, matched),
        }
