"""Wasserstein logit distillation: what a wrong class costs depends on how near it is to the right one.

Plain distillation compares probabilities class by class; here mass may move to a similar class cheaply. How
similar classes are is read off the teacher's features: the cosine of its class means, after what all classes
share is taken off. Across modalities this hands on the teacher's geometry of classes, which the student's
modality need not share. The label is kept out of the transport and taught by itself, so at two classes no
transport is left. A transport costs some iterations of a solver in every step.
"""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from ucmkd.methods import base
from ucmkd.methods.shared.class_statistics import bank_of, class_means, known_classes, matched_mean
from ucmkd.methods.shared.feature_alignment import teacher_rows
from ucmkd.methods.shared.prediction_transport import class_costs, other_classes, prediction_transport


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How predictions are compared.

    Attributes
    ----------
    weight : float
        Of the transport. It was tuned for every dataset in the paper, and is ours.
    target_weight : float
        Of the label's own term.
    temperature : float
        Of the predictions over the other classes.
    sharpness : float
        Of the cost: the larger, the sooner two classes count as wholly different.
    reg : float
        Entropic regularisation, in units of the cost, which lies in [0, 1).
    debias : "none" or "sinkhorn_divergence"
        ``none`` as published; the divergence alone is 0 for equal predictions.
    """

    weight: float = 10.0
    target_weight: float = 1.0
    temperature: float = 2.0
    sharpness: float = 1.0
    reg: float = 0.05
    debias: Literal["none", "sinkhorn_divergence"] = "none"

    def __post_init__(self) -> None:
        if min(self.weight, self.target_weight) < 0:
            raise ValueError(
                f"weight and target_weight are {self.weight} and {self.target_weight}; take 0 or more"
            )
        if self.temperature <= 0:
            raise ValueError(f"temperature is {self.temperature}; it must be above 0")
        if self.sharpness <= 0:
            raise ValueError(f"sharpness is {self.sharpness}; at 0 every cost is 0, so it must be above")
        if self.reg < 0.01:
            raise ValueError(f"reg is {self.reg}; below 0.01 the solver takes too long, so take more")


class Method(base.Method[Settings]):
    r"""WKD-L of Lv, Yang, Li, NeurIPS 2024, arXiv:2412.08139.

    .. math:: CE - \lambda_y p^t_y \log p^s_y + \lambda\, OT_\varepsilon(\hat p^s, \hat p^t)

    with :math:`\hat p` the softened predictions over the classes beside the label. Two things differ from
    the paper. The cost :math:`1 - \exp(-\kappa (1 - s))` takes the similarity :math:`s` from class means,
    not from CKA of samples. And the solver iterates until it has converged, with the exact gradient of the
    regularised value; the authors stop theirs after a few iterations and differentiate through them.
    """

    label = "WKD-L"
    needs = base.Needs(
        teacher=frozenset({"logits", "features"}),
        correspondence="class",
        student_labels=True,
        teacher_labels=True,
    )
    Settings = Settings

    def prepare(self, context: base.Context) -> nn.Module | None:
        bank = bank_of(context)
        means = class_means(bank.features, bank.labels, context.classes)
        self._costs = class_costs(means, known_classes(bank, context.classes), self.settings.sharpness)
        return None

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        s, teacher, labels = self.settings, teacher_rows(batch), batch.labels.unsqueeze(1)
        sure = F.softmax(teacher.logits, 1).gather(1, labels)
        target = -(sure * F.log_softmax(student.logits, 1).gather(1, labels)).squeeze(1)
        others = other_classes(batch.labels, student.logits.shape[1])
        own = F.softmax(student.logits.gather(1, others) / s.temperature, 1)
        given = F.softmax(teacher.logits.gather(1, others) / s.temperature, 1)
        costs = self._costs[others.unsqueeze(2), others.unsqueeze(1)]
        moved, iterations = prediction_transport(own, given, costs, reg=s.reg, debias=s.debias)
        batch.monitor.ledger.ot_iterations += iterations
        return {
            "loss/task": batch.task_loss(student.logits),
            "loss/target": s.target_weight * matched_mean(target, teacher.matched),
            "loss/transport": s.weight * matched_mean(moved, teacher.matched),
        }
