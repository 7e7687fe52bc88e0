"""Decoupled distillation: the target class against the rest, and the rest by itself, with their own weights.

In plain distillation the second part counts by the teacher's mass outside the target class, so a sure
teacher's view of the wrong classes is hardly heard; here it has a constant weight. The target class is the
student's label, so the partner must share it. Where partners are drawn anew within the class, this teaches
the class means of both parts in expectation, which are not the parts of the class-mean prediction. At the
default weight the second part outweighs the task loss; ``warm_up`` counts epochs, and training shorter than
that never reaches the full weight.
"""

from dataclasses import dataclass

from torch import Tensor

from ucmkd.methods import base
from ucmkd.methods.shared.class_partition import (
    PART_RANGES,
    is_label,
    one_class_divergence,
    rest_divergence,
    warm_up,
)
from ucmkd.methods.shared.class_statistics import matched_mean
from ucmkd.methods.shared.feature_alignment import teacher_rows


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the two parts count.

    Attributes
    ----------
    alpha, beta : float
        Weights of the target class against the rest, and of the rest.
    temperature : float
    warm_up : int
        Epochs over which both weights grow from 0; published for training of 240 epochs.
    """

    alpha: float = 1.0
    beta: float = 8.0
    temperature: float = 4.0
    warm_up: int = 20

    def __post_init__(self) -> None:
        if min(self.alpha, self.beta) < 0:
            raise ValueError(f"alpha and beta are {self.alpha} and {self.beta}; they must be at least 0")
        if self.temperature <= 0:
            raise ValueError(f"temperature is {self.temperature}; it must be above 0")
        if self.warm_up < 0:
            raise ValueError(f"warm_up is {self.warm_up}; it counts epochs, 0 switches it off")


class Method(base.Method[Settings]):
    r"""Zhao et al., arXiv:2203.08679.

    .. math:: CE + w T^2 [\alpha KL(b^t\|b^s) + \beta KL(\hat p^t\|\hat p^s)], \qquad w = \min(e / 20, 1)

    in epoch :math:`e`, with :math:`b = (p_y, 1 - p_y)` and :math:`\hat p` the prediction over the other
    classes.
    """

    label = "DKD"
    needs = base.Needs(teacher=frozenset({"logits"}), correspondence="class", student_labels=True)
    tuned = PART_RANGES
    Settings = Settings

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        s, teacher, labels = self.settings, teacher_rows(batch), batch.labels
        target = one_class_divergence(
            student.logits, teacher.logits, labels, labels, temperature=s.temperature
        )
        target_class = is_label(labels, student.logits.shape[1])
        rest = rest_divergence(student.logits, teacher.logits, target_class, temperature=s.temperature)
        scale = warm_up(batch, s.warm_up) * s.temperature**2
        return {
            "loss/task": batch.task_loss(student.logits),
            "loss/target": s.alpha * scale * matched_mean(target, teacher.matched),
            "loss/rest": s.beta * scale * matched_mean(rest, teacher.matched),
        }
