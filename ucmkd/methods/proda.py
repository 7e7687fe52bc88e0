"""Pseudo-labels from prototypes that start at the teacher's and follow the student, for hidden labels.

Two classifiers, the student's head and the distances to the prototypes, correct each other: what they say
together is the pseudo-label of both. The teacher speaks through where the prototypes start. Of the student's
labels this reads only which are shown, so it runs where few are, and rests on what those few teach the head:
if that is little, or the student's features do not come to lie where the teacher's do, it confirms its own
errors.

Departures from the original, which adapts a segmentation network within one modality. There the prediction
that is reweighted comes from a network adapted beforehand and stays as it was; here it is the student's own,
so the terms are ramped up, and the pseudo-label is the geometric mean of both predictions: their product
would be surer than either, and in every step surer of itself. There features come from a momentum encoder
and agree between two augmentations; here they agree with the pseudo-labels. Momentum is lower, for trainings
of hundreds of steps.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ucmkd.methods import base
from ucmkd.methods.shared.class_statistics import class_means, matched_mean
from ucmkd.methods.shared.prototypes import Prototypes, teacher_prototypes
from ucmkd.methods.shared.ramp import ramp
from ucmkd.methods.shared.term_weight import WeightSettings
from ucmkd.transport.cost import feature_cost

TERM_RANGES = {"weight": (0.01, 10.0), "structure": (0.01, 10.0)}


@dataclass(frozen=True, kw_only=True)
class Settings(WeightSettings):
    """How pseudo-labels come about and what they weigh.

    Attributes
    ----------
    weight : float
        Of the pseudo-labels' cross-entropy with the head, over the samples whose label is hidden.
    structure : float
        Of their cross-entropy with the distances to the prototypes, over all samples.
    temperature : float
        Of the distances, in units of the mean distance between two of the teacher's prototypes.
    momentum : float
        What the prototypes keep of themselves in each step.
    """

    structure: float = 1.0
    temperature: float = 0.1
    momentum: float = 0.999

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.temperature > 0:
            raise ValueError(f"temperature is {self.temperature}; it must be above 0")
        if not self.structure >= 0:
            raise ValueError(f"structure is {self.structure}; it must be at least 0")
        if not 0 <= self.momentum <= 1:
            raise ValueError(f"momentum is {self.momentum}; it must lie in [0, 1]")


class Method(base.Method[Settings]):
    r"""Prototypical pseudo-label denoising (Zhang et al., CVPR 2021, arXiv:2101.10979).

    With :math:`\omega = \mathrm{softmax}_k(-\lVert z - \eta_k \rVert / \tau)`, p the head's prediction and
    :math:`q \propto sg[\sqrt{\omega p}]`: cross-entropies of p with q, over hidden labels, and of
    :math:`\omega` with q. Both rise with progress (see :func:`ramp`). After every step
    :math:`\eta_k \leftarrow m \eta_k + (1 - m) \bar z_k` over the samples with :math:`\arg\max q = k`.
    """

    label = "ProDA"
    needs = base.Needs(teacher=frozenset({"features"}), teacher_labels=True)
    tuned = TERM_RANGES
    Settings = Settings

    def prepare(self, context: base.Context) -> nn.Module | None:
        self._prototypes = teacher_prototypes(context)
        self._means = self._prototypes.means.clone()
        self._temperature = self.settings.temperature * spread(self._means)
        return None

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        s, grown = self.settings, ramp(batch.progress)
        prediction = F.log_softmax(student.logits, 1)[:, self._prototypes.classes]
        assigned = F.log_softmax(-feature_cost(student.features, self._means, "l2") / self._temperature, 1)
        target = F.softmax((prediction + assigned).detach() / 2, 1)
        covered = has_prototype(student.logits, self._prototypes)
        hidden = (batch.labels < 0) & covered
        self._follow(student.features.detach(), target.argmax(1), covered)
        return {
            "loss/task": batch.task_loss(student.logits),
            "loss/pseudo": grown * s.weight * matched_mean(-(target * prediction).sum(1), hidden),
            "loss/structure": grown * s.structure * matched_mean(-(target * assigned).sum(1), covered),
        }

    def _follow(self, features: Tensor, pseudo_labels: Tensor, counted: Tensor) -> None:
        """Move the prototypes of the classes that the batch seems to have towards its means."""
        count = len(self._means)
        places = torch.where(counted, pseudo_labels, count)
        means = class_means(features, places, count + 1)[:count]
        there = torch.bincount(places, minlength=count + 1)[:count] > 0
        self._means = torch.where(
            there.unsqueeze(1), means.lerp(self._means, self.settings.momentum), self._means
        )


def spread(points: Tensor) -> Tensor:
    """Average the distances between two different points; 1 where there are none."""
    distances = feature_cost(points, points, "l2")
    mean = distances.sum() / max(len(points) * (len(points) - 1), 1)
    return torch.where(mean > 0, mean, 1)


def has_prototype(logits: Tensor, prototypes: Prototypes) -> Tensor:
    """Tell which samples, shape (n,), the head takes for a class that has a prototype."""
    taken = prototypes.taught(logits.argmax(1))
    return torch.ones(len(logits), dtype=torch.bool, device=logits.device) if taken is None else taken
