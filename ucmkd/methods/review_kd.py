"""Knowledge review: each level of the teacher is learned from the student's level and all deeper ones.

Spatially meaningless across modalities: a spectrogram axis is not an image axis. The coarse sizes of its
pyramid, down to the mean over all places, suffer less than full size does.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ucmkd.methods import base
from ucmkd.methods.shared.feature_alignment import teacher_rows
from ucmkd.methods.shared.feature_maps import (
    convolution,
    paired_levels,
    resized,
    summed_over_levels,
)
from ucmkd.methods.shared.seeded_modules import seeded
from ucmkd.methods.shared.term_weight import WeightSettings

PYRAMID = (4, 2, 1)


@dataclass(frozen=True, kw_only=True)
class Settings(WeightSettings):
    """How levels are reviewed.

    Attributes
    ----------
    weight : float
        Of the context loss, averaged over channels, places and samples and added up over levels.
    warmup_epochs : int
        In which the weight grows linearly.
    mid_width : int
        Channels in which levels are fused, at most; no more than the student's deepest level has.
    """

    warmup_epochs: int = 20
    mid_width: int = 512

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.warmup_epochs < 0:
            raise ValueError(f"warmup_epochs is {self.warmup_epochs}; it must be at least 0")
        if self.mid_width < 1:
            raise ValueError(f"mid_width is {self.mid_width}; it must be at least 1")


def context_loss(own: Tensor, target: Tensor) -> Tensor:
    """Compare maps at full size, and averaged over 4 x 4, 2 x 2 and one cell at half the weight each time.

    Sizes that are not smaller than the maps are left out. Divided by the sum of the weights.

    Parameters
    ----------
    own, target : Tensor, shape (n, channels, height, width)

    Returns
    -------
    Tensor, shape (n,)
    """
    height, width = target.shape[-2:]
    sizes = [(min(side, height), min(side, width)) for side in PYRAMID if side < max(height, width)]
    errors, weights = [(own - target).square().mean((1, 2, 3))], [1.0]
    for size in sizes:
        coarse = resized(own, size) - resized(target, size)
        errors.append(coarse.square().mean((1, 2, 3)))
        weights.append(weights[-1] / 2)
    return torch.stack([w * e for w, e in zip(weights, errors, strict=True)]).sum(0) / sum(weights)


class Fusion(nn.Module):
    """Attention-based fusion of a student level with what the deeper levels came to.

    Parameters
    ----------
    channels, mid, after : int
        Of the student's level, of the fusion, and of the teacher's level.
    deepest : bool
        Whether there is no deeper level.
    """

    def __init__(self, channels: int, mid: int, after: int, *, deepest: bool) -> None:
        super().__init__()
        self.reduce = convolution(channels, mid, 1)
        self.attention = None if deepest else nn.Conv2d(2 * mid, 2, 1)
        self.expand = convolution(mid, after, 3)

    def forward(self, own: Tensor, deeper: Tensor | None, target: Tensor) -> tuple[Tensor, Tensor]:
        """Give what is fused (n, mid, ...) and what it says of the teacher's level, at the teacher's size."""
        fused = self.reduce(own)
        if self.attention is not None and deeper is not None:
            deeper = resized(deeper, fused.shape[-2:])
            here, there = self.attention(torch.cat([fused, deeper], 1)).sigmoid().split(1, 1)
            fused = here * fused + there * deeper
        return fused, self.expand(resized(fused, target.shape[-2:]))


class Review(nn.Module):
    """The fusions of all levels, from shallow to deep.

    Parameters
    ----------
    levels : sequence of (shape, shape)
        Shapes (channels, height, width) of each pair of student and teacher levels.
    mid : int
    """

    def __init__(self, levels: Sequence[tuple[tuple[int, ...], tuple[int, ...]]], mid: int) -> None:
        super().__init__()
        self.fusions = nn.ModuleList(
            Fusion(own[0], mid, target[0], deepest=number == len(levels))
            for number, (own, target) in enumerate(levels, 1)
        )

    def forward(self, levels: Sequence[tuple[Tensor, Tensor]]) -> list[tuple[Tensor, Tensor]]:
        """Go from deep to shallow; give what is said of each teacher level, and that level."""
        said: list[tuple[Tensor, Tensor]] = []
        fused: Tensor | None = None
        for fusion, (own, target) in zip(reversed(self.fusions), reversed(levels), strict=True):
            fused, estimate = fusion(own, fused, target)
            said.append((estimate, target))
        return said


class Method(base.Method[Settings]):
    r"""Cross-entropy plus :math:`\min(e/20, 1) \sum_l HCL(\hat F_T^l, F_T^l)`.

    Each estimate comes from a 1x1 convolution of the student's level, fused by two sigmoid attention maps
    with the fused deeper levels, and a 3x3 convolution at that teacher level's own size. HCL is the context
    loss. Chen et al., arXiv:2104.09044. Maps are those after the rectifier here, which every encoder with
    maps has.
    """

    label = "ReviewKD"
    needs = base.Needs(teacher=frozenset({"maps"}), student_maps=True, correspondence="class")
    Settings = Settings

    def prepare(self, context: base.Context) -> nn.Module | None:
        levels = paired_levels(context.student_maps, context.teacher_maps)
        mid = min(self.settings.mid_width, levels[-1][0][0])
        self._review = seeded(lambda: Review(levels, mid), context.generator)
        return self._review

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        teacher = teacher_rows(batch)
        said = self._review(paired_levels(student.maps, teacher.maps))
        rows = [context_loss(estimate, target) for estimate, target in said]
        weight = self.settings.weight * min(batch.epoch / max(self.settings.warmup_epochs, 1), 1.0)
        return {
            "loss/task": batch.task_loss(student.logits),
            "loss/review": weight * summed_over_levels(rows, teacher.matched),
        }
