"""Relational distillation: copy the teacher's distances between samples and angles in triplets of samples.

Distances are relative to their mean within each space and angles have no unit, so two modalities need a
common geometry no more than a common scale: the student learns the shape of the teacher's point cloud. In
pairs that is the shape of these instances; where teacher rows are only of the same class, two draws of one
class stand for each other, the distances within a class are noise and those between classes are what can be
learned.

Trap: angles take memory of order of the cubed batch size. A weight of 0 switches a term off, its cost
included.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ucmkd.methods import base
from ucmkd.methods.shared.corresponding_features import corresponding_features
from ucmkd.methods.shared.relations import angle_loss, distance_loss


@dataclass(frozen=True, kw_only=True)
class Settings:
    """``distance_weight``, ``angle_weight``: of the two terms; 0 leaves a term out."""

    distance_weight: float = 25.0
    angle_weight: float = 50.0

    def __post_init__(self) -> None:
        for name, weight in (("distance_weight", self.distance_weight), ("angle_weight", self.angle_weight)):
            if not weight >= 0:
                raise ValueError(f"{name} is {weight}; it must be at least 0")
        if self.distance_weight == self.angle_weight == 0:
            raise ValueError("distance_weight and angle_weight are 0; keep a term, or use the method ce")


class Method(base.Method[Settings]):
    """Cross-entropy plus Huber losses between distances and between angles; Park et al., arXiv:1904.05068."""

    label = "RKD"
    needs = base.Needs(teacher=frozenset({"features"}), correspondence="class")
    tuned: ClassVar = {"distance_weight": (0.25, 250.0), "angle_weight": (0.5, 500.0)}
    Settings = Settings

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        s = self.settings
        teacher, matched = corresponding_features(batch)
        terms = {"loss/task": batch.task_loss(student.logits)}
        if s.distance_weight:
            terms["loss/distance"] = s.distance_weight * distance_loss(student.features, teacher, matched)
        if s.angle_weight:
            terms["loss/angle"] = s.angle_weight * angle_loss(student.features, teacher, matched)
        return terms
