"""Cross-entropy with the labels, mixed with a divergence from soft targets."""

from dataclasses import dataclass

from torch import Tensor

from ucmkd.methods.base import Batch, Outputs, TeacherBank
from ucmkd.methods.shared.class_statistics import class_mean_logits, class_means, matched_mean
from ucmkd.methods.shared.divergences import Kind, divergence

SOFT_TARGET_RANGES = {"weight": (0.1, 0.99), "temperature": (1.0, 10.0)}
"""Where tuning looks for the settings below."""


@dataclass(frozen=True, kw_only=True)
class SoftTargetSettings:
    """How soft targets are copied.

    Attributes
    ----------
    temperature : float
    weight : float
        Of the divergence; the task loss keeps the rest of 1.
    divergence : str
    mixing : float
        Of the divergences that mix the two predictions.
    """

    temperature: float = 4.0
    weight: float = 0.9
    divergence: Kind = "forward"
    mixing: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.weight <= 1:
            raise ValueError(f"weight is {self.weight}; it must lie in [0, 1]")
        if not 0 <= self.mixing <= 1:
            raise ValueError(f"mixing is {self.mixing}; it must lie in [0, 1]")
        if self.temperature <= 0:
            raise ValueError(f"temperature is {self.temperature}; it must be above 0")


def class_targets(bank: TeacherBank, classes: int, settings: SoftTargetSettings) -> Tensor:
    """Give the target logits of each class: of its mean softened prediction, or the mean for ``mse_logit``.

    Returns
    -------
    Tensor, shape (classes, classes)
    """
    if settings.divergence == "mse_logit":
        return class_means(bank.logits, bank.labels, classes)
    return class_mean_logits(bank, classes, settings.temperature)


def soft_target_losses(
    student: Outputs, targets: Tensor, matched: Tensor | None, batch: Batch, settings: SoftTargetSettings
) -> dict[str, Tensor]:
    r"""Give :math:`(1-\alpha) CE + \alpha T^2 D` with target logits (n, classes).

    The divergence is averaged over the rows that have a target. ``mse_logit`` has no temperature, so no
    :math:`T^2`.
    """
    s = settings
    rows = divergence(s.divergence, student.logits, targets, temperature=s.temperature, mixing=s.mixing)
    scale = 1.0 if s.divergence == "mse_logit" else s.temperature**2
    return {
        "loss/task": (1 - s.weight) * batch.task_loss(student.logits),
        "loss/distillation": s.weight * scale * matched_mean(rows, matched),
    }
