"""Vanilla knowledge distillation: copy the teacher's softened prediction of the corresponding sample.

Where teacher rows are drawn anew within the class, this equals training on class-mean soft labels in
expectation, since the gradient of the forward divergence is linear in the teacher's distribution. Where no
row corresponds, the class-mean soft labels themselves stand in, as ``class_mean_soft`` uses them.
"""

from torch import Tensor, nn

from ucmkd.methods import base
from ucmkd.methods.shared.class_statistics import bank_of
from ucmkd.methods.shared.feature_alignment import teacher_rows
from ucmkd.methods.shared.soft_targets import (
    SOFT_TARGET_RANGES,
    SoftTargetSettings,
    batch_reliability,
    class_targets,
    soft_target_losses,
    taught_classes,
)


class Method(base.Method[SoftTargetSettings]):
    """Hinton, Vinyals, Dean, arXiv:1503.02531; defaults T = 4 and 0.1 to 0.9."""

    label = "KD"
    needs = base.Needs(teacher=frozenset({"logits"}), correspondence="class")
    fallback = "class_mean_soft"
    tuned = SOFT_TARGET_RANGES
    Settings = SoftTargetSettings

    def prepare(self, context: base.Context) -> nn.Module | None:
        bank = bank_of(context)
        self._class_targets = class_targets(bank, context.classes, self.settings)
        self._known = taught_classes(bank, context.classes, self.settings)
        return None

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        teacher = teacher_rows(batch)
        if teacher.matched is not None:
            s, matched = self.settings, teacher.matched
            weights = batch_reliability(s.reliability, teacher.logits, teacher.labels, matched)
            return soft_target_losses(student, teacher.logits, matched, batch, s, weights)
        labels = batch.labels.clamp(min=0)
        matched = batch.labels >= 0 if self._known is None else (batch.labels >= 0) & self._known[labels]
        return soft_target_losses(student, self._class_targets[labels], matched, batch, self.settings)
