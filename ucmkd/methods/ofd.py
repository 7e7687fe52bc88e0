"""Overhaul of feature distillation: copy the teacher's responses before the rectifier, where they matter.

What the teacher suppresses need only be suppressed, not copied: its negative responses are cut off at a
margin, and the student is left alone wherever it is below it.

Spatially meaningless across modalities: a spectrogram axis is not an image axis. Only for encoders that tell
their maps before the rectifier.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ucmkd.errors import ConfigError
from ucmkd.methods import base
from ucmkd.methods.shared.feature_alignment import teacher_rows
from ucmkd.methods.shared.feature_maps import (
    channel_regressors,
    paired_levels,
    resized,
    summed_over_levels,
)
from ucmkd.methods.shared.term_weight import WeightSettings


@dataclass(frozen=True, kw_only=True)
class Settings(WeightSettings):
    """``weight``: of the partial distance, added up over channels, places and levels."""

    weight: float = 1e-3


def margins(responses: Tensor, matched: Tensor | None) -> Tensor:
    """Estimate the expectation of each channel's negative responses from a batch; shape (channels, 1, 1).

    Parameters
    ----------
    responses : Tensor, shape (n, channels, height, width)
        Before the rectifier.
    matched : Tensor of bool, shape (n,), or None
        Rows that count; all if None. Zero for a channel that responds negatively nowhere.
    """
    negative = responses < 0
    if matched is not None:
        negative = negative & matched.view(-1, 1, 1, 1)
    total = (responses * negative).sum((0, 2, 3))
    return (total / negative.sum((0, 2, 3)).clamp(min=1)).view(-1, 1, 1)


def partial_distance(own: Tensor, target: Tensor) -> Tensor:
    r"""Add up :math:`(t-s)^2` except where :math:`s \le t \le 0`.

    Parameters
    ----------
    own, target : Tensor, shape (n, channels, height, width)

    Returns
    -------
    Tensor, shape (n,)
    """
    counts = (own > target) | (target > 0)
    return ((own - target).square() * counts).sum((1, 2, 3))


class Method(base.Method[Settings]):
    r"""Cross-entropy plus :math:`\sum_l 2^{l-L} d_p(\max(F_T^l, m^l), r_l(F_S^l))` at the teacher's sizes.

    :math:`F` before the rectifier, :math:`r` a 1x1 convolution with batch normalisation, :math:`d_p` the
    partial distance, :math:`m` the mean negative response of each channel. The authors compute :math:`m` for
    a Gaussian from the batch normalisation before the rectifier; here it is estimated from each batch, which
    assumes neither the shape nor that normalisation comes last. Heo et al., arXiv:1904.01866.
    """

    label = "OFD"
    needs = base.Needs(
        teacher=frozenset({"maps"}), student_maps=True, preactivations=True, correspondence="instance"
    )
    Settings = Settings

    def prepare(self, context: base.Context) -> nn.Module | None:
        self._regressors = channel_regressors(context)
        return self._regressors

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        teacher = teacher_rows(batch)
        levels = paired_levels(student.preactivations, teacher.preactivations)
        if len(levels) != len(self._regressors):
            raise ConfigError(f"{self.label}: an encoder of this pair does not tell its feature maps before "
                              "the rectifier; leave the method out, or use convnet")  # fmt: skip
        rows = []
        for number, (regressor, (own, target)) in enumerate(zip(self._regressors, levels, strict=True), 1):
            wanted = torch.maximum(target, margins(target, teacher.matched))
            said = regressor(resized(own, target.shape[-2:]))
            rows.append(partial_distance(said, wanted) / 2 ** (len(levels) - number))
        return {
            "loss/task": batch.task_loss(student.logits),
            "loss/responses": self.settings.weight * summed_over_levels(rows, teacher.matched),
        }
