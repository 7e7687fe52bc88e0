"""Neuron selectivity transfer: match which places the channels of both sides respond to, as a distribution.

Spatially meaningless across modalities: channels need no order, but places do, and a spectrogram axis is not
an image axis. Maps of a single place are all alike after normalisation and teach nothing.
"""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from ucmkd.methods import base
from ucmkd.methods.shared.feature_alignment import teacher_rows
from ucmkd.methods.shared.feature_maps import at_smaller_size, paired_levels, summed_over_levels
from ucmkd.methods.shared.term_weight import WeightSettings


@dataclass(frozen=True, kw_only=True)
class Settings(WeightSettings):
    """``weight``: of the discrepancy, averaged over samples and added up over levels."""

    weight: float = 50.0


def selectivity_discrepancy(own: Tensor, target: Tensor) -> Tensor:
    r"""Squared maximum mean discrepancy between the channels of two maps of the same sample.

    A channel is its responses at all places, at unit length; the kernel is :math:`k(x,y)=(x^\top y)^2`.

    Parameters
    ----------
    own, target : Tensor, shapes (n, channels, height, width) and (n, other channels, height, width)

    Returns
    -------
    Tensor, shape (n,)
    """
    one, other = (F.normalize(maps.flatten(2), dim=2) for maps in (own, target))
    return _mean_kernel(one, one) + _mean_kernel(other, other) - 2 * _mean_kernel(one, other)


def _mean_kernel(one: Tensor, other: Tensor) -> Tensor:
    return (one @ other.mT).square().mean((1, 2))


class Method(base.Method[Settings]):
    """Cross-entropy plus the discrepancy between channels by level, at the smaller of the two sizes.

    Huang and Wang, arXiv:1707.01219, with the quadratic polynomial kernel.
    """

    label = "NST"
    needs = base.Needs(teacher=frozenset({"maps"}), student_maps=True, correspondence="class")
    Settings = Settings

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        teacher = teacher_rows(batch)
        levels = paired_levels(student.maps, teacher.maps)
        rows = [selectivity_discrepancy(*at_smaller_size(own, target)) for own, target in levels]
        return {
            "loss/task": batch.task_loss(student.logits),
            "loss/selectivity": self.settings.weight * summed_over_levels(rows, teacher.matched),
        }
