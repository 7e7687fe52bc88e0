"""Distil low and high frequencies of the features apart: close agreement in the low band, loose in the high.

The feature axis has no order: "frequency" means something only after a numbering of channels that nothing
fixes, and another numbering gives another loss. ``permute_channels`` is the control for that: the same
method after a fixed random renumbering of the channels, the same on both sides. If the split by frequency
mattered, it would do worse. After normalisation entries are so small that the logarithm of the high band
hardly bends, so both bands are treated nearly alike.

The available code scores, besides the student, two classifiers that read its bands, and reports the best of
the three on test data. Here the student's own head is all that is scored; ``task_classifiers`` trains those
two as further losses and changes nothing else.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ucmkd.methods import base
from ucmkd.methods.shared.class_statistics import matched_mean
from ucmkd.methods.shared.feature_alignment import teacher_rows
from ucmkd.methods.shared.frequency_bands import frequency_bands, low_bins
from ucmkd.methods.shared.seeded_modules import seeded

SMALLEST_NORM = 1e-8
"""Bands of a smaller norm are left shorter than 1, as in the available code."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How features are taken apart, and what is asked of the parts.

    Attributes
    ----------
    weight : float
        Of the agreement of both bands.
    align_weight : float
        Of the classifiers that both sides share.
    cut : float
        The share of the frequencies above 0 that makes the low band.
    task_classifiers : bool
        Whether two more classifiers learn from the student's bands alone.
    permute_channels : bool
        The control: channels in a fixed random order.
    """

    weight: float = 1.0
    align_weight: float = 1.0
    cut: float = 0.5
    task_classifiers: bool = False
    permute_channels: bool = False

    def __post_init__(self) -> None:
        for name in ("weight", "align_weight"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 0")
        if not 0 < self.cut < 1:
            raise ValueError(f"cut is {self.cut}; it must lie in (0, 1)")


class Method(base.Method[Settings]):
    r"""Liu et al., "Distilling cross-modal knowledge via feature disentanglement", arXiv:2511.19887.

    .. math:: CE + \overline{(\hat z^T_l - \hat z^S_l)^2} + \overline{(\sigma(\hat z^T_h) -
        \sigma(\hat z^S_h))^2} + \sum_{b \in \{l, h\}} [CE(c_b(z^S_b), y^S) + CE(c_b(z^T_b), y^T)]

    with :math:`z_l, z_h` the bands, a hat for division by the norm, means over samples and entries,
    :math:`\sigma(x) = \operatorname{sgn}(x) \log(1 + |x|)`, and :math:`c_b` a linear classifier of the
    rectified band, shared by both sides.
    """

    label = "FD-CMKD"
    needs = base.Needs(
        teacher=frozenset({"features"}), correspondence="class", student_labels=True, teacher_labels=True
    )
    Settings = Settings

    def prepare(self, context: base.Context) -> nn.Module | None:
        self._low = low_bins(context.width, self.settings.cut)
        draw = context.generator
        self._order = torch.arange(context.width, device=draw.device)
        if self.settings.permute_channels:
            self._order = torch.randperm(context.width, generator=draw, device=draw.device)

        def classifiers() -> nn.ModuleList:
            return nn.ModuleList(nn.Linear(context.width, context.classes) for _ in ("low", "high"))

        self._shared = seeded(classifiers, draw)
        self._own = seeded(classifiers, draw) if self.settings.task_classifiers else nn.ModuleList()
        return nn.ModuleList([self._shared, self._own])

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        s, teacher = self.settings, teacher_rows(batch)
        own, taught = self._bands(student.features), self._bands(teacher.features)
        low, high = (
            (bend(_unit(mine)) - bend(_unit(other))).square().mean(1)
            for mine, other, bend in zip(own, taught, (_straight, signed_log), strict=True)
        )
        losses = {
            "loss/task": batch.task_loss(student.logits),
            "loss/low": s.weight * matched_mean(low, teacher.matched),
            "loss/high": s.weight * matched_mean(high, teacher.matched),
            "loss/shared_classifiers": s.align_weight
            * (_cross_entropy(self._shared, own, batch.labels)
               + _cross_entropy(self._shared, taught, teacher.labels)),
        }  # fmt: skip
        if s.task_classifiers:
            losses["loss/task_classifiers"] = _cross_entropy(self._own, own, batch.labels)
        return losses

    def _bands(self, features: Tensor) -> tuple[Tensor, Tensor]:
        low, high, _constant = frequency_bands(features[:, self._order], self._low)
        return low, high


def signed_log(values: Tensor) -> Tensor:
    """Compress values: the logarithm of 1 plus their size, with their sign."""
    return values.sign() * values.abs().log1p()


def _straight(values: Tensor) -> Tensor:
    return values


def _unit(band: Tensor) -> Tensor:
    return F.normalize(band, dim=1, eps=SMALLEST_NORM)


def _cross_entropy(classifiers: nn.ModuleList, bands: tuple[Tensor, Tensor], labels: Tensor) -> Tensor:
    """Sum over the bands the cross-entropy of each band's classifier."""
    terms = [
        F.cross_entropy(classify(F.relu(band)), labels)
        for classify, band in zip(classifiers, bands, strict=True)
    ]
    return torch.stack(terms).sum()
