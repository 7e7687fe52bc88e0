r"""Hints: regress the teacher's feature from the student's.

Pooled features of two modalities share a geometry only through the student's projector and this regressor;
maps would not even share their axes, so pooled features are what is regressed. The loss is a squared
distance, affine in the teacher's feature but for a constant: where teacher rows are drawn anew within the
class, it regresses the class mean, :math:`E\lVert r(z) - t\rVert^2 = \lVert r(z) - \mu_y\rVert^2 + const`,
and without a regressor that is ``proto_mse`` but for the weight. Only pairs of the same instance tell more
than the class.

Trap: the weight of 100 belongs to features of small convolutional networks on CIFAR. The loss grows with
the square of the teacher's feature scale, so the weight is to be tuned.
"""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from ucmkd.methods import base
from ucmkd.methods.shared.class_statistics import matched_mean
from ucmkd.methods.shared.corresponding_features import corresponding_features
from ucmkd.methods.shared.seeded_modules import seeded
from ucmkd.methods.shared.term_weight import WeightSettings


@dataclass(frozen=True, kw_only=True)
class Settings(WeightSettings):
    """``regressor``: what stands between the student's feature and the comparison, trained along."""

    weight: float = 100.0
    regressor: Literal["linear", "none"] = "linear"


class Method(base.Method[Settings]):
    r"""Cross-entropy plus :math:`w \lVert r(z^S_i) - z^T_i\rVert^2 / d`; Romero et al., arXiv:1412.6550."""

    label = "FitNet"
    needs = base.Needs(teacher=frozenset({"features"}), correspondence="class")
    Settings = Settings

    def prepare(self, context: base.Context) -> nn.Module | None:
        self._regressor: nn.Module = nn.Identity()
        if self.settings.regressor == "linear":
            self._regressor = seeded(lambda: nn.Linear(context.width, context.width), context.generator)
        return self._regressor

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        teacher, matched = corresponding_features(batch)
        distances = (self._regressor(student.features) - teacher).square().mean(1)
        return {
            "loss/task": batch.task_loss(student.logits),
            "loss/hint": self.settings.weight * matched_mean(distances, matched),
        }
