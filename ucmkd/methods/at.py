"""Attention transfer: look where the teacher looks, that is, copy where its feature maps are strong.

Spatially meaningless across modalities: a spectrogram axis is not an image axis, so a place of one map has
nothing to do with the same place of the other. What is left is how strength spreads over the middle and the
rim. Maps of a single place are all alike after normalisation and teach nothing. Where teacher rows are drawn
anew within the class, the target is in expectation the class's mean attention map.
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
    """How attention is measured.

    Attributes
    ----------
    weight : float
        Of the squared difference, averaged over places and samples and added up over levels.
    power : float
        Of the absolute activations that are summed over channels.
    """

    weight: float = 1000.0
    power: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.power >= 1:
            raise ValueError(f"power is {self.power}; it must be at least 1")


def attention(maps: Tensor, power: float) -> Tensor:
    r"""Give :math:`\sum_c |F_c|^p` at unit length; shape (n, places)."""
    return F.normalize(maps.abs().pow(power).sum(1).flatten(1), dim=1)


class Method(base.Method[Settings]):
    r"""Cross-entropy plus :math:`\lVert Q_S/\lVert Q_S\rVert - Q_T/\lVert Q_T\rVert\rVert^2` by level.

    :math:`Q=\sum_c |F_c|^p`, at the smaller of the two sizes. Zagoruyko and Komodakis, arXiv:1612.03928;
    p = 2, and 1000 over the number of places.
    """

    label = "AT"
    needs = base.Needs(teacher=frozenset({"maps"}), student_maps=True, correspondence="class")
    Settings = Settings

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        teacher = teacher_rows(batch)
        rows = [
            self._distance(*at_smaller_size(own, target))
            for own, target in paired_levels(student.maps, teacher.maps)
        ]
        return {
            "loss/task": batch.task_loss(student.logits),
            "loss/attention": self.settings.weight * summed_over_levels(rows, teacher.matched),
        }

    def _distance(self, own: Tensor, target: Tensor) -> Tensor:
        power = self.settings.power
        return (attention(own, power) - attention(target, power)).square().mean(1)
