"""Give the student's features of each class the covariance that the teacher's have within that class.

Uses labels on both sides. Covariances of a few rows are mostly noise: with b rows of a class in a batch they
have rank b - 1 at most, on either side.
"""

from torch import Tensor, nn

from ucmkd.methods import base
from ucmkd.methods.shared.class_statistics import matched_mean
from ucmkd.methods.shared.feature_alignment import teacher_rows
from ucmkd.methods.shared.membership import comparable, members
from ucmkd.methods.shared.moments import covariance_gaps
from ucmkd.methods.shared.term_weight import WeightSettings


class Method(base.Method[WeightSettings]):
    r"""Cross-entropy plus the mean over classes of :math:`\lVert C_S^k - C_T^k \rVert_F^2 / 4 d^2`.

    CORAL (Sun, Saenko, arXiv:1607.01719) class by class, over the classes of which both batches have two rows
    or more.
    """

    label = "Class-wise CORAL"
    needs = base.Needs(teacher=frozenset({"features"}), student_labels=True, teacher_labels=True)
    Settings = WeightSettings

    def prepare(self, context: base.Context) -> nn.Module | None:
        self._classes = context.classes
        return None

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        teacher, width = teacher_rows(batch), student.features.shape[1]
        own, other = members(batch.labels, self._classes), members(teacher.labels, self._classes)
        gaps = covariance_gaps(student.features, teacher.features, own, other) / (4 * width**2)
        return {
            "loss/task": batch.task_loss(student.logits),
            "loss/alignment": self.settings.weight * matched_mean(gaps, comparable(own, other)),
        }
