"""Make the student's features of each class indistinguishable from the teacher's of that class.

Uses labels on both sides. The kernels are as wide as classes are, not as the whole batch is: a median over
all pairs would mostly see distances between classes.
"""

from torch import Tensor, nn

from ucmkd.methods import base
from ucmkd.methods.shared.class_statistics import matched_mean
from ucmkd.methods.shared.feature_alignment import teacher_rows
from ucmkd.methods.shared.kernels import KernelSettings, discrepancies
from ucmkd.methods.shared.membership import comparable, members


class Method(base.Method[KernelSettings]):
    """Cross-entropy plus the mean over classes of the unbiased squared discrepancy.

    Over the classes of which both batches have two rows or more; without the term between different classes
    of Kang et al., arXiv:1901.00976.
    """

    label = "Class-wise MMD"
    needs = base.Needs(teacher=frozenset({"features"}), student_labels=True, teacher_labels=True)
    Settings = KernelSettings

    def prepare(self, context: base.Context) -> nn.Module | None:
        self._classes = context.classes
        return None

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        s, teacher = self.settings, teacher_rows(batch)
        own, other = (members(labels, self._classes) for labels in (batch.labels, teacher.labels))
        gaps = discrepancies(student.features, teacher.features, own, other, s.bandwidths)
        alignment = s.weight * matched_mean(gaps, comparable(own, other))
        return {"loss/task": batch.task_loss(student.logits), "loss/alignment": alignment}
