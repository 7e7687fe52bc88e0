"""Place each student feature among the teacher's prototypes as the teacher's features of its class lie.

Beside which prototype is the nearest, this tells which others are near, and how near: the teacher's class
confusions, read off its features instead of its head.
"""

from torch import Tensor, nn

from ucmkd.methods import base
from ucmkd.methods.shared.class_statistics import bank_of, class_means, matched_mean
from ucmkd.methods.shared.divergences import divergence
from ucmkd.methods.shared.prototypes import AssignmentSettings, log_assignments, teacher_prototypes


class Method(base.Method[AssignmentSettings]):
    r"""Cross-entropy plus :math:`KL(\bar q_y \| q(z))`, :math:`q(z) = \mathrm{softmax}(\cos(z, \mu) / \tau)`.

    :math:`\bar q_y` is the mean of :math:`q` over the teacher's features of class y.
    """

    label = "Prototypes (KL)"
    needs = base.Needs(teacher=frozenset({"features"}), student_labels=True, teacher_labels=True)
    Settings = AssignmentSettings

    def prepare(self, context: base.Context) -> nn.Module | None:
        bank, self._prototypes = bank_of(context), teacher_prototypes(context)
        own = log_assignments(bank.features, self._prototypes.means, self.settings.temperature).exp()
        self._targets = class_means(own, bank.labels, context.classes).clamp(min=1e-30).log()
        return None

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        s, prototypes = self.settings, self._prototypes
        assigned = log_assignments(student.features, prototypes.means, s.temperature)
        distance = matched_mean(
            divergence("forward", assigned, self._targets[batch.labels]), prototypes.taught(batch.labels)
        )
        return {"loss/task": batch.task_loss(student.logits), "loss/prototype": s.weight * distance}
