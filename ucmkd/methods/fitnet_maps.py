"""FitNet on feature maps: regress the teacher's map at a middle level from the student's.

Spatially meaningless across modalities: a spectrogram axis is not an image axis, so the regression asks for a
teacher response at a place that shows something else. Pooled features have no places and are the fair form of
this idea. Where teacher rows are drawn anew within the class, the target is in expectation the class's mean
map.
"""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from ucmkd.methods import base
from ucmkd.methods.shared.class_statistics import matched_mean
from ucmkd.methods.shared.feature_alignment import teacher_rows
from ucmkd.methods.shared.feature_maps import convolution, paired_levels, resized
from ucmkd.methods.shared.seeded_modules import seeded
from ucmkd.methods.shared.term_weight import WeightSettings


@dataclass(frozen=True, kw_only=True)
class Settings(WeightSettings):
    """``weight``: of the squared error, averaged over channels, places and samples."""

    weight: float = 100.0


class Method(base.Method[Settings]):
    r"""Cross-entropy plus :math:`\lVert r(F_S) - F_T\rVert^2` at the middle level, at the teacher's size.

    :math:`r` is a 1x1 convolution, batch normalisation and a rectifier. The middle one of the pairs of levels
    (the deeper of two) gives the hint. Romero et al., arXiv:1412.6550, who train on hints first and on labels
    afterwards; here the two are added, as in later comparisons.
    """

    label = "FitNet (maps)"
    needs = base.Needs(teacher=frozenset({"maps"}), student_maps=True, correspondence="class")
    Settings = Settings

    def prepare(self, context: base.Context) -> nn.Module | None:
        levels = paired_levels(context.student_maps, context.teacher_maps)
        self._level = len(levels) // 2
        own, target = levels[self._level]
        self._regressor = seeded(lambda: convolution(own[0], target[0], 1), context.generator)
        return self._regressor

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        teacher = teacher_rows(batch)
        own, target = paired_levels(student.maps, teacher.maps)[self._level]
        errors = (F.relu(self._regressor(resized(own, target.shape[-2:]))) - target).square().mean((1, 2, 3))
        return {
            "loss/task": batch.task_loss(student.logits),
            "loss/hint": self.settings.weight * matched_mean(errors, teacher.matched),
        }
