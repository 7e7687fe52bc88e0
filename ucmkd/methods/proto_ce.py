"""Classify each student feature by its angles to the teacher's prototypes, as a second head would.

Only the order of the angles matters, so the student may keep any scale, unlike with ``proto_mse``. Where
the teacher's prototypes are close together, the pull is mostly away from the others.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from ucmkd.methods import base
from ucmkd.methods.shared.class_statistics import matched_mean
from ucmkd.methods.shared.prototypes import AssignmentSettings, log_assignments, teacher_prototypes


class Method(base.Method[AssignmentSettings]):
    r"""Cross-entropy plus that of :math:`\mathrm{softmax}_k(\cos(z, \mu_k) / \tau)` with the label.

    The classifier is that of prototypical networks (Snell et al., arXiv:1703.05175), with cosines.
    """

    label = "Prototypes (CE)"
    needs = base.Needs(teacher=frozenset({"features"}), student_labels=True, teacher_labels=True)
    Settings = AssignmentSettings

    def prepare(self, context: base.Context) -> nn.Module | None:
        self._prototypes = teacher_prototypes(context)
        return None

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        s, prototypes = self.settings, self._prototypes
        assigned = log_assignments(student.features, prototypes.means, s.temperature)
        rows = F.nll_loss(assigned, prototypes.position[batch.labels], reduction="none")
        return {
            "loss/task": batch.task_loss(student.logits),
            "loss/prototype": s.weight * matched_mean(rows, prototypes.taught(batch.labels)),
        }
