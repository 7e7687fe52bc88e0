"""The teacher's class means as points of the shared embedding, and how close a feature is to each."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ucmkd.methods.base import Context
from ucmkd.methods.shared.class_statistics import bank_of, class_means, known_classes
from ucmkd.methods.shared.term_weight import WeightSettings
from ucmkd.transport.cost import feature_cost


@dataclass(frozen=True, kw_only=True)
class AssignmentSettings(WeightSettings):
    """``temperature``: divides the cosines between a feature and the prototypes."""

    temperature: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.temperature > 0:
            raise ValueError(f"temperature is {self.temperature}; it must be above 0")


@dataclass(frozen=True)
class Prototypes:
    """The mean feature of each class that the teacher knows.

    Attributes
    ----------
    means : Tensor, shape (k, d)
    classes : Tensor of int, shape (k,)
        Which classes they are, in increasing order.
    position : Tensor of int, shape (classes,)
        Where a class stands among them; 0 for a class that the teacher does not know.
    known : Tensor of bool, shape (classes,), or None
        Which classes the teacher knows; None if all.
    """

    means: Tensor
    classes: Tensor
    position: Tensor
    known: Tensor | None

    def taught(self, labels: Tensor) -> Tensor | None:
        """Tell of which samples the class has a prototype, shape (n,); None if all classes have."""
        return None if self.known is None else self.known[labels]


def teacher_prototypes(context: Context) -> Prototypes:
    """Average the teacher's features by class, over all rows that students may meet."""
    bank = bank_of(context)
    known = known_classes(bank, context.classes)
    there = torch.ones(context.classes, dtype=torch.bool, device=bank.labels.device)
    there = there if known is None else known
    means = class_means(bank.features, bank.labels, context.classes)[there]
    return Prototypes(means, there.nonzero().squeeze(1), (there.cumsum(0) - 1).clamp(min=0), known)


def log_assignments(features: Tensor, means: Tensor, temperature: float) -> Tensor:
    r"""Give the logarithm of :math:`\mathrm{softmax}_k(\cos(z, \mu_k) / \tau)`.

    Parameters
    ----------
    features : Tensor, shape (n, d)
        A zero vector is as close to one prototype as to another, and gets gradient 0.
    means : Tensor, shape (k, d)
    temperature : float

    Returns
    -------
    Tensor, shape (n, k)
    """
    return F.log_softmax(-feature_cost(features, means, "cosine") / temperature, 1)
