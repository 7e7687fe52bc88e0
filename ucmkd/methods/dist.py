"""DIST: correlate predictions with the teacher's, within each sample and within each class.

Only relations are copied: neither term sees a positive affine change of the vector it compares. The term over
classes reads each row with its partner. The term over samples reads a column of the batch: where partners
are drawn within the class, it sees the teacher permuted within classes, so what it copies is how much the
classes differ in that column, not which samples do. In small batches columns are noisy, and those
of a class that few samples show hardly vary.
"""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from ucmkd.methods import base
from ucmkd.methods.shared.class_statistics import matched_mean
from ucmkd.methods.shared.correlation import pearson
from ucmkd.methods.shared.feature_alignment import teacher_rows


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How correlations count.

    Attributes
    ----------
    beta, gamma : float
        Weights of the term over classes (rows) and of the term over samples (columns).
    temperature : float
        Of both predictions.
    """

    beta: float = 1.0
    gamma: float = 1.0
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if min(self.beta, self.gamma) < 0:
            raise ValueError(f"beta and gamma are {self.beta} and {self.gamma}; they must be at least 0")
        if self.temperature <= 0:
            raise ValueError(f"temperature is {self.temperature}; it must be above 0")


WEIGHT_RANGES = {"beta": (0.01, 10.0), "gamma": (0.01, 10.0)}
"""Where tuning looks for the weights of the two terms."""


def row_loss(student: Tensor, teacher: Tensor, matched: Tensor | None) -> Tensor:
    """One minus the mean correlation over classes, of the rows (n, classes) that correspond."""
    return matched_mean(1 - pearson(student, teacher, 1), matched)


def column_loss(student: Tensor, teacher: Tensor, matched: Tensor | None) -> Tensor:
    """One minus the mean correlation over the samples that correspond; 0 if fewer than two do."""
    if matched is None:
        return (1 - pearson(student, teacher, 0)).mean()
    loss = (1 - pearson(student, teacher, 0, matched.unsqueeze(1))).mean()
    return loss * (matched.sum() >= 2)


class Method(base.Method[Settings]):
    r"""Huang et al., "Knowledge distillation from a stronger teacher", NeurIPS 2022, arXiv:2205.10536.

    .. math:: CE + T^2 [\beta (1 - \bar\rho_{rows}) + \gamma (1 - \bar\rho_{columns})]

    with :math:`\rho` Pearson's correlation of the softmax outputs.
    """

    label = "DIST"
    needs = base.Needs(teacher=frozenset({"logits"}), correspondence="class")
    tuned = WEIGHT_RANGES
    Settings = Settings

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        s, teacher = self.settings, teacher_rows(batch)
        own = F.softmax(student.logits / s.temperature, 1)
        given = F.softmax(teacher.logits / s.temperature, 1)
        scale = s.temperature**2
        return {
            "loss/task": batch.task_loss(student.logits),
            "loss/rows": s.beta * scale * row_loss(own, given, teacher.matched),
            "loss/columns": s.gamma * scale * column_loss(own, given, teacher.matched),
        }
