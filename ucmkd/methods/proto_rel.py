"""Give the student's class centroids the mutual distances of the teacher's prototypes.

Nothing is pulled to a place: the student may turn, shift and scale its classes as it likes. Centroids are
those of a batch, so the term is noisy where a class has few rows in it, and 0 with less than two classes.
"""

import torch
from torch import Tensor, nn

from ucmkd.methods import base
from ucmkd.methods.shared.class_statistics import class_means
from ucmkd.methods.shared.prototypes import teacher_prototypes
from ucmkd.methods.shared.relations import distance_loss
from ucmkd.methods.shared.term_weight import WeightSettings


class Method(base.Method[WeightSettings]):
    r"""Relational distillation (Park et al., arXiv:1904.05068, distances) between class centroids.

    The mean over pairs of classes of :math:`\mathrm{Huber}(d^S_{kl} / \bar d^S - d^T_{kl} / \bar d^T)`, over
    the classes that are in the batch and known to the teacher.
    """

    label = "Prototypes (relations)"
    needs = base.Needs(teacher=frozenset({"features"}), student_labels=True, teacher_labels=True)
    Settings = WeightSettings

    def prepare(self, context: base.Context) -> nn.Module | None:
        self._classes, self._prototypes = context.classes, teacher_prototypes(context)
        return None

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        known = self._prototypes.classes
        centroids = class_means(student.features, batch.labels, self._classes)[known]
        present = torch.bincount(batch.labels, minlength=self._classes)[known] > 0
        return {
            "loss/task": batch.task_loss(student.logits),
            "loss/prototype": self.settings.weight
            * distance_loss(centroids, self._prototypes.means, present),
        }
