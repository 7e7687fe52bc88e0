"""Refined logit distillation: keep of a prediction what does not contradict the label.

The teacher's largest probability, whichever class has it, is how sure the student should be of the label;
and relations are copied among the classes that the teacher scores below the label. A teacher that is wrong
teaches confidence it should not have, but no wrong class. Where it scores the label lowest, nothing is left
to relate. The partner must share the student's label, or the label's score says nothing of the partner.
``warm_up`` counts epochs, and training shorter than that never reaches the full weight.
"""

from dataclasses import dataclass

from torch import Tensor

from ucmkd.methods import base
from ucmkd.methods.shared.class_partition import PART_RANGES, one_class_divergence, rest_divergence, warm_up
from ucmkd.methods.shared.class_statistics import matched_mean
from ucmkd.methods.shared.feature_alignment import teacher_rows


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the two parts count.

    Attributes
    ----------
    alpha, beta : float
        Weights of the confidence and of the classes ranked below the label.
    temperature, confidence_temperature : float
        Of the second part and of the first.
    warm_up : int
        Epochs over which both weights grow from 0; published for training of 240 epochs.
    """

    alpha: float = 1.0
    beta: float = 8.0
    temperature: float = 4.0
    confidence_temperature: float = 1.0
    warm_up: int = 20

    def __post_init__(self) -> None:
        weights, temperatures = (self.alpha, self.beta), (self.temperature, self.confidence_temperature)
        if min(weights) < 0:
            raise ValueError(f"alpha and beta are {weights}; none may be below 0")
        if min(temperatures) <= 0:
            raise ValueError(f"temperature and confidence_temperature are {temperatures}; take them above 0")
        if self.warm_up < 0:
            raise ValueError(f"warm_up is {self.warm_up}; it counts epochs, so take 0 or more")


class Method(base.Method[Settings]):
    r"""Sun et al., "Knowledge distillation with refined logits", ICCV 2025, arXiv:2408.07703.

    .. math:: CE + w [\alpha \tau^2 KL(b^t\|b^s) + \beta T^2 KL(\hat p^t\|\hat p^s)]

    with :math:`b^t = (\max_k p^t_k, 1 - \max_k p^t_k)` and :math:`b^s = (p^s_y, 1 - p^s_y)` at temperature
    :math:`\tau`, and :math:`\hat p` at temperature :math:`T` over the classes :math:`k` with
    :math:`t_k < t_y`. Formula, defaults and the warm-up :math:`w` agree with the authors' released
    implementation.
    """

    label = "RLD"
    needs = base.Needs(teacher=frozenset({"logits"}), correspondence="class", student_labels=True)
    tuned = PART_RANGES
    Settings = Settings

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        s, teacher, labels = self.settings, teacher_rows(batch), batch.labels
        confidence = one_class_divergence(
            student.logits,
            teacher.logits,
            labels,
            teacher.logits.argmax(1),
            temperature=s.confidence_temperature,
        )
        not_below = teacher.logits >= teacher.logits.gather(1, labels.unsqueeze(1))
        below = rest_divergence(student.logits, teacher.logits, not_below, temperature=s.temperature)
        weight = warm_up(batch, s.warm_up)
        confidence_weight = weight * s.alpha * s.confidence_temperature**2
        return {
            "loss/task": batch.task_loss(student.logits),
            "loss/confidence": confidence_weight * matched_mean(confidence, teacher.matched),
            "loss/below": weight * s.beta * s.temperature**2 * matched_mean(below, teacher.matched),
        }
