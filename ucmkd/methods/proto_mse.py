"""Pull each student feature to the teacher's prototype of its class."""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from ucmkd.methods import base
from ucmkd.methods.shared.class_statistics import bank_of, class_means


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
        return None

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        distance = F.mse_loss(student.features, self._prototypes[batch.labels])
        return {
            "loss/task": batch.task_loss(student.logits),
            "loss/prototype": self.settings.weight * distance,
        }
