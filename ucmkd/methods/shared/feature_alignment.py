"""Feature alignment (FA): the optimal-transport cost between the features of two batches."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from ucmkd.methods.base import Batch, TeacherRows
from ucmkd.transport.divergence import transport_loss


@dataclass(frozen=True, kw_only=True)
class AlignmentSettings:
    """How batches are compared.

    Attributes
    ----------
    cost : str
        Between two features.
    reg, reg_mode
        Entropic regularisation: a share of the median cost, or in units of the cost.
    plan_grad : "envelope" or "unrolled"
        Whether the plan counts as constant (the gradient of the regularised value), or is differentiated
        through the iterations as in the authors' code.
    debias : "none" or "sinkhorn_divergence"
    label_cost : float
        Added where labels differ; ``inf`` forbids transport between classes.
    """

    cost: Literal["l1", "l2", "cosine", "chordal", "angular"] = "l2"
    reg: float = 0.05
    reg_mode: Literal["relative", "absolute"] = "relative"
    plan_grad: Literal["envelope", "unrolled"] = "envelope"
    debias: Literal["none", "sinkhorn_divergence"] = "none"
    label_cost: float = 0.0

    def __post_init__(self) -> None:
        if not self.reg > 0:
            raise ValueError(f"reg is {self.reg}; it must be above 0")
        if not self.label_cost >= 0:
            raise ValueError(f"label_cost is {self.label_cost}; it must be at least 0")


def feature_alignment(features: Tensor, batch: Batch, settings: AlignmentSettings) -> Tensor:
    r"""Transport cost :math:`\langle\pi^\star, M\rangle` between student features and a batch's teacher rows.

    Parameters
    ----------
    features : Tensor, shape (n, d)
        The student's.
    batch : Batch
    settings : AlignmentSettings

    References
    ----------
    Tran et al., arXiv:2606.10504, section on feature alignment.
    """
    teacher = teacher_rows(batch)
    labelled = settings.label_cost > 0
    loss = transport_loss(
        features,
        teacher.features,
        metric=settings.cost,
        reg=settings.reg,
        reg_mode=settings.reg_mode,
        plan_grad=settings.plan_grad,
        debias=settings.debias,
        label_cost=settings.label_cost,
        labels_x=batch.labels if labelled else None,
        labels_y=teacher.labels if labelled else None,
    )
    batch.monitor.ledger.ot_iterations += loss.iterations
    batch.monitor.observe("transport/sharpness", loss.sharpness)
    return loss.value


def teacher_rows(batch: Batch) -> TeacherRows:
    """Give the teacher rows that a method which needs a teacher meets in every batch."""
    if batch.teacher is None:
        raise TypeError("a method that declares what it needs of a teacher meets teacher rows in every batch")
    return batch.teacher
