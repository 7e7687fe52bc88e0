"""Cross-entropy with the labels, mixed with a divergence from soft targets."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor
from torch.nn import functional as F

from ucmkd.methods.base import Batch, Outputs, TeacherBank
from ucmkd.methods.shared.class_statistics import class_mean_logits, class_means, known_classes, matched_mean
from ucmkd.methods.shared.divergences import Kind, divergence

Reliability = Literal["none", "confidence", "agreement"]
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
    reliability : "none", "confidence" or "agreement"
        What a teacher row weighs among the others, see :func:`row_reliability`; "none" weighs all alike.
    """

    temperature: float = 4.0
    weight: float = 0.9
    divergence: Kind = "forward"
    mixing: float = 0.5
    reliability: Reliability = "none"

    def __post_init__(self) -> None:
        if not 0 <= self.weight <= 1:
            raise ValueError(f"weight is {self.weight}; it must lie in [0, 1]")
        if not 0 <= self.mixing <= 1:
            raise ValueError(f"mixing is {self.mixing}; it must lie in [0, 1]")
        if self.temperature <= 0:
            raise ValueError(f"temperature is {self.temperature}; it must be above 0")


def row_reliability(kind: Reliability, logits: Tensor, labels: Tensor) -> Tensor | None:
    """Weigh teacher rows by how far they are to be trusted.

    Parameters
    ----------
    kind : str
        "confidence": the highest probability at temperature 1, which is as well calibrated as the teacher is;
        "agreement": 1 where the prediction is the row's label, else 0, so that other rows are dropped.
    logits : Tensor, shape (m, classes)
    labels : Tensor, shape (m,)

    Returns
    -------
    Tensor, shape (m,), or None
        Not normalised; None for "none".
    """
    if kind == "none":
        return None
    if kind == "confidence":
        return F.softmax(logits, 1).amax(1)
    return (logits.argmax(1) == labels).to(logits.dtype)


def batch_reliability(
    kind: Reliability, logits: Tensor, labels: Tensor, matched: Tensor | None
) -> Tensor | None:
    """Give the weights of a batch's rows, with mean 1 over the matched ones; 0 if none is reliable."""
    weights = row_reliability(kind, logits, labels)
    return None if weights is None else weights / matched_mean(weights, matched).clamp(min=1e-12)


def class_targets(bank: TeacherBank, classes: int, settings: SoftTargetSettings) -> Tensor:
    """Give the target logits of each class: of its mean softened prediction, or the mean for ``mse_logit``.

    Rows weigh within their class as ``reliability`` says; a class's own weight does not depend on it.

    Returns
    -------
    Tensor, shape (classes, classes)
        Of no meaning where :func:`taught_classes` says that there is no row.
    """
    weights = row_reliability(settings.reliability, bank.logits, bank.labels)
    is_mean_logit = settings.divergence == "mse_logit"
    if weights is None:
        if is_mean_logit:
            return class_means(bank.logits, bank.labels, classes)
        return class_mean_logits(bank, classes, settings.temperature)
    values = bank.logits if is_mean_logit else F.softmax(bank.logits / settings.temperature, 1)
    column = weights.unsqueeze(1)
    totals = class_means(column, bank.labels, classes).clamp(min=1e-12)
    means = class_means(values * column, bank.labels, classes) / totals
    return means if is_mean_logit else means.clamp(min=1e-30).log() * settings.temperature


def taught_classes(bank: TeacherBank, classes: int, settings: SoftTargetSettings) -> Tensor | None:
    """Tell which classes have a row of some weight, shape (classes,); None if every one has."""
    weights = row_reliability(settings.reliability, bank.logits, bank.labels)
    if weights is None:
        return known_classes(bank, classes)
    known = class_means(weights.unsqueeze(1), bank.labels, classes).squeeze(1) > 0
    return None if bool(known.all()) else known


def soft_target_losses(
    student: Outputs,
    targets: Tensor,
    matched: Tensor | None,
    batch: Batch,
    settings: SoftTargetSettings,
    weights: Tensor | None = None,
) -> dict[str, Tensor]:
    r"""Give :math:`(1-\alpha) CE + \alpha T^2 D` with target logits (n, classes).

    The divergence is averaged over the rows that have a target, with weights (n,) of mean 1 if there are
    some. ``mse_logit`` has no temperature, so no :math:`T^2`.
    """
    s = settings
    rows = divergence(s.divergence, student.logits, targets, temperature=s.temperature, mixing=s.mixing)
    if weights is not None:
        rows = rows * weights
    scale = 1.0 if s.divergence == "mse_logit" else s.temperature**2
    return {
        "loss/task": (1 - s.weight) * batch.task_loss(student.logits),
        "loss/distillation": s.weight * scale * matched_mean(rows, matched),
    }
