"""Vanilla knowledge distillation: copy the teacher's softened prediction of the corresponding sample.

Where teacher rows are drawn anew within the class, this equals training on class-mean soft labels in
expectation, since the gradient of the forward divergence is linear in the teacher's distribution. Where no
row corresponds, the class-mean soft labels themselves stand in, as ``class_mean_soft`` uses them.
"""

from torch import Tensor, nn

from ucmkd.methods import base
from ucmkd.methods.shared.class_statistics import bank_of
from ucmkd.methods.shared.feature_alignment import teacher_rows
from ucmkd.methods.shared.soft_targets import SoftTargetSettings, class_targets, soft_target_losses


class Method(base.Method[SoftTargetSettings]):
    """Hinton, Vinyals, Dean, arXiv:1503.02531; defaults T = 4 and 0.1 to 0.9."""

    label = "KD"
    needs = base.Needs(teacher=frozenset({"logits"}), correspondence="class")
    fallback = "class_mean_soft"
    Settings = SoftTargetSettings

    def prepare(self, context: base.Context) -> nn.Module | None:
        self._class_targets = class_targets(bank_of(context), context.classes, self.settings)
        return None

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        teacher = teacher_rows(batch)
        if teacher.matched is not None:
            return soft_target_losses(student, teacher.logits, teacher.matched, batch, self.settings)
        shown = batch.labels >= 0
        targets = self._class_targets[batch.labels.clamp(min=0)]
        return soft_target_losses(student, targets, shown, batch, self.settings)
