"""Class-mean soft labels: the teacher's mean softened prediction on each class is the target of that class.

K fixed vectors, computed once: no pairing of any kind and no information about single samples. What
sample-wise distillation gives beyond this is what pairs are worth.
"""

from torch import Tensor, nn

from ucmkd.methods import base
from ucmkd.methods.shared.class_statistics import bank_of
from ucmkd.methods.shared.soft_targets import (
    SOFT_TARGET_RANGES,
    SoftTargetSettings,
    class_targets,
    soft_target_losses,
    taught_classes,
)


class Method(base.Method[SoftTargetSettings]):
    """Structured label smoothing by the teacher's class confusions."""

    label = "Class-mean soft labels"
    needs = base.Needs(teacher=frozenset({"logits"}), student_labels=True, teacher_labels=True)
    tuned = SOFT_TARGET_RANGES
    Settings = SoftTargetSettings

    def prepare(self, context: base.Context) -> nn.Module | None:
        bank = bank_of(context)
        self._targets = class_targets(bank, context.classes, self.settings)
        self._known = taught_classes(bank, context.classes, self.settings)
        return None

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        matched = None if self._known is None else self._known[batch.labels]
        return soft_target_losses(student, self._targets[batch.labels], matched, batch, self.settings)
