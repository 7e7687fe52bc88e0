"""Feature maps of two networks side by side: which level meets which, at which size, how strongly.

Places do not correspond across modalities: the axes of a spectrogram are not those of an image.
"""

from collections.abc import Iterable, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ucmkd.methods.base import Context
from ucmkd.methods.shared.class_statistics import matched_mean
from ucmkd.methods.shared.seeded_modules import seeded

T = TypeVar("T")


def paired_levels(student: Sequence[T], teacher: Sequence[T]) -> list[tuple[T, T]]:
    """Pair levels from the deepest backwards; shallow levels that are left over have no partner.

    Returns
    -------
    list of (student level, teacher level)
        From shallow to deep.
    """
    count = min(len(student), len(teacher))
    return list(zip(student[len(student) - count :], teacher[len(teacher) - count :], strict=True))


def resized(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Average maps over a grid of even cells, which overlap where maps grow.

    Parameters
    ----------
    maps : Tensor, shape (n, channels, height, width)
    size : sequence of int
        The new height and width.
    """
    height, width = size
    return maps if maps.shape[-2:] == (height, width) else F.adaptive_avg_pool2d(maps, (height, width))


def at_smaller_size(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Average both over the smaller of their heights and the smaller of their widths."""
    size = [min(sides) for sides in zip(one.shape[-2:], other.shape[-2:], strict=True)]
    return resized(one, size), resized(other, size)


def summed_over_levels(rows: Iterable[Tensor], matched: Tensor | None) -> Tensor:
    """Add up the distances (n,) of each level, and average them over the rows that correspond."""
    return matched_mean(torch.stack(list(rows)).sum(0), matched)


def channel_regressors(context: Context) -> nn.ModuleList:
    """Make a 1x1 convolution with batch normalisation a pair of levels, to the teacher's channels."""
    levels = paired_levels(context.student_maps, context.teacher_maps)
    return seeded(
        lambda: nn.ModuleList(convolution(student[0], teacher[0], 1) for student, teacher in levels),
        context.generator,
    )


def convolution(channels: int, after: int, size: int) -> nn.Sequential:
    """Make a convolution that keeps height and width, and the batch normalisation that follows it."""
    layer = nn.Conv2d(channels, after, size, padding=size // 2, bias=False)
    nn.init.kaiming_normal_(layer.weight)
    return nn.Sequential(layer, nn.BatchNorm2d(after))
