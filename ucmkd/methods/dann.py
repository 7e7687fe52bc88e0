"""Make the student's features indistinguishable from the teacher's to a classifier trained to tell them.

The classifier learns at full rate from the start; only what reaches the student is turned round, weighted and
ramped up. Blind to classes, and unstable where the two sides are easily told apart: spectral normalisation
bounds how steep the classifier can get.
"""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from ucmkd.methods import base
from ucmkd.methods.shared.feature_alignment import teacher_rows
from ucmkd.methods.shared.ramp import ramp
from ucmkd.methods.shared.seeded_modules import seeded
from ucmkd.methods.shared.term_weight import WeightSettings


@dataclass(frozen=True, kw_only=True)
class Settings(WeightSettings):
    """The adversary.

    Attributes
    ----------
    weight : float
        Of the reversed gradient at the end of the ramp; the adversary's own has weight 1.
    hidden : int
        Width of its hidden layer.
    spectral_norm : bool
        Whether both layers are divided by their largest singular value.
    """

    hidden: int = 256
    spectral_norm: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.hidden < 1:
            raise ValueError(f"hidden is {self.hidden}; it must be at least 1")


class Method(base.Method[Settings]):
    r"""Ganin et al., JMLR 2016, with the teacher's features fixed.

    The adversary descends :math:`-\tfrac12 E\log(1 - D(z^S)) - \tfrac12 E\log D(z^T)`; the student ascends
    it with weight :math:`\lambda (2 / (1 + e^{-10p}) - 1)` at progress p.
    """

    label = "DANN"
    needs = base.Needs(teacher=frozenset({"features"}))
    Settings = Settings

    def prepare(self, context: base.Context) -> nn.Module | None:
        self._adversary = seeded(partial(adversary, context.width, self.settings), context.generator)
        return self._adversary

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        teacher = teacher_rows(batch).features
        turned = reversed_gradient(student.features, self.settings.weight * ramp(batch.progress))
        said = self._adversary(torch.cat([turned, teacher])).squeeze(1)
        own, other = said.split([len(turned), len(teacher)])
        batch.monitor.observe(
            "adversary/accuracy", ((own < 0).float().mean() + (other > 0).float().mean()) / 2
        )
        return {
            "loss/task": batch.task_loss(student.logits),
            "loss/adversary": (F.softplus(own).mean() + F.softplus(-other).mean()) / 2,
        }


def adversary(width: int, settings: Settings) -> nn.Module:
    """Build the classifier: features (n, width) to a logit (n, 1), above 0 for the teacher."""
    first, last = nn.Linear(width, settings.hidden), nn.Linear(settings.hidden, 1)
    if settings.spectral_norm:
        return nn.Sequential(spectral_norm(first), nn.ReLU(), spectral_norm(last))
    return nn.Sequential(first, nn.ReLU(), last)


def reversed_gradient(features: Tensor, factor: float) -> Tensor:
    """Give the features unchanged, with their gradient multiplied by ``-factor``."""
    fixed = features.detach()
    return fixed + factor * (fixed - features)
