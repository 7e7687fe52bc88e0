"""Variational information distillation: make the teacher's feature likely, given the student's.

A lower bound on the mutual information of the two features, up to the teacher's entropy, under a Gaussian
model. Across modalities the regressor carries the geometry and the learned variances tell which channels of
the teacher can be known from this modality at all: the others get a large variance and cease to count.
Instance information is there to be learned only in pairs; where teacher rows are drawn anew within the
class, what can be learned is the class mean and the within-class variance.

Trap: a lower bound that grows is no proof of transfer, since the regressor and the variances grow it as
well.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ucmkd.methods import base
from ucmkd.methods.shared.class_statistics import matched_mean
from ucmkd.methods.shared.corresponding_features import corresponding_features
from ucmkd.methods.shared.seeded_modules import seeded
from ucmkd.methods.shared.term_weight import WeightSettings

LEAST_VARIANCE = 1e-5


@dataclass(frozen=True, kw_only=True)
class Settings(WeightSettings):
    """``initial_variance``: of every channel, before it is learned; in squared units of the features."""

    initial_variance: float = 5.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.initial_variance > LEAST_VARIANCE:
            raise ValueError(
                f"initial_variance is {self.initial_variance}; it must be above {LEAST_VARIANCE:g}"
            )


class GaussianModel(nn.Module):
    """The teacher's feature given the student's: a linear mean, and a variance for each channel."""

    def __init__(self, width: int, initial_variance: float) -> None:
        super().__init__()
        self.mean = nn.Linear(width, width)
        raw = math.log(math.expm1(initial_variance - LEAST_VARIANCE))
        self.raw_variance = nn.Parameter(torch.full((width,), raw))

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Give the negative log-likelihood of each row, averaged over channels, less its constant."""
        variance = F.softplus(self.raw_variance) + LEAST_VARIANCE
        mean: Tensor = self.mean(student)
        return 0.5 * (variance.log() + (teacher - mean).square() / variance).mean(1)


class Method(base.Method[Settings]):
    r"""Cross-entropy plus :math:`w\,\tfrac1d\sum_c \log\sigma_c + (t_c - \mu_c(z))^2 / 2\sigma_c^2`.

    With :math:`\sigma_c^2 = \log(1 + e^{\alpha_c}) + \epsilon`; Ahn et al., CVPR 2019, arXiv:1904.05835.
    """

    label = "VID"
    needs = base.Needs(teacher=frozenset({"features"}), correspondence="class")
    Settings = Settings

    def prepare(self, context: base.Context) -> nn.Module | None:
        self._model = seeded(
            lambda: GaussianModel(context.width, self.settings.initial_variance), context.generator
        )
        return self._model

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        teacher, matched = corresponding_features(batch)
        rows = self._model(student.features, teacher)
        return {
            "loss/task": batch.task_loss(student.logits),
            "loss/likelihood": self.settings.weight * matched_mean(rows, matched),
        }
