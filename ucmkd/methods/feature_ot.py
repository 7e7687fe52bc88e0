"""Feature alignment alone, as a joint loss: cross-entropy plus the transport cost between the batches."""

from dataclasses import dataclass

from torch import Tensor

from ucmkd.methods import base
from ucmkd.methods.shared.feature_alignment import AlignmentSettings, feature_alignment
from ucmkd.methods.shared.term_weight import WeightSettings


@dataclass(frozen=True, kw_only=True)
class Settings(AlignmentSettings, WeightSettings):
    """How batches are compared, and the ``weight`` of the transport cost."""

    def __post_init__(self) -> None:
        AlignmentSettings.__post_init__(self)
        WeightSettings.__post_init__(self)


class Method(base.Method[Settings]):
    """Cross-entropy plus weighted feature alignment, the "feature KD" of the UCMKD paper."""

    label = "Feature OT"
    needs = base.Needs(teacher=frozenset({"features"}))
    Settings = Settings

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        distance = feature_alignment(student.features, batch, self.settings)
        return {
            "loss/task": batch.task_loss(student.logits),
            "loss/alignment": self.settings.weight * distance,
        }
