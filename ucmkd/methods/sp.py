"""Similarity preservation: samples that are alike for the teacher shall be alike for the student.

Both sides are compared within themselves, so the two modalities need no common geometry and the projector
may turn as it likes. What must correspond are the rows: samples i and j of both sides. In pairs that is the
likeness of two instances; where teacher rows are only of the same class, it is that of two members of these
classes drawn at random, and the likeness of single instances is noise.

Trap: similarities are inner products, not cosines, so long features weigh more within a row.
"""

from dataclasses import dataclass

from torch import Tensor

from ucmkd.methods import base
from ucmkd.methods.shared.corresponding_features import corresponding_features
from ucmkd.methods.shared.relations import similarity_loss
from ucmkd.methods.shared.term_weight import WeightSettings


@dataclass(frozen=True, kw_only=True)
class Settings(WeightSettings):
    """``weight``: 3000 balances the squared batch size, by which the sum over all pairs is divided."""

    weight: float = 3000.0


class Method(base.Method[Settings]):
    """Cross-entropy plus the weighted distance of the row-normalised Gram matrices; Tung, Mori, ICCV 2019."""

    label = "SP"
    needs = base.Needs(teacher=frozenset({"features"}), correspondence="class")
    Settings = Settings

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        distance = similarity_loss(student.features, *corresponding_features(batch))
        return {
            "loss/task": batch.task_loss(student.logits),
            "loss/similarity": self.settings.weight * distance,
        }
