"""Entropic transport between two predictions: how far probability has to move from class to class."""

import math
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from ucmkd.transport.cost import feature_cost
from ucmkd.transport.sinkhorn import entropic_coupling, regularised_value, self_coupling

LEAST_WEIGHT = 1e-6
"""Of a class in a marginal, before the marginal is made to sum to 1 again: the solver divides by weights."""
TOLERANCE = 1e-3
"""Largest violation of a marginal, as the sum of absolute differences."""


def class_costs(means: Tensor, known: Tensor | None, sharpness: float) -> Tensor:
    r"""Turn the similarity of classes into the cost of confusing them.

    .. math:: C_{kl} = 1 - \exp(-s\,(1 - \cos(\mu_k - \bar\mu, \mu_l - \bar\mu)))

    Parameters
    ----------
    means : Tensor, shape (classes, d)
        Of the features of each class; what all classes share is taken off.
    known : Tensor of bool, shape (classes,), or None
        Which of them there are; a class without a mean is as far from every other as orthogonal ones are.
    sharpness : float

    Returns
    -------
    Tensor, shape (classes, classes)
        In [0, 1), symmetric, 0 on the diagonal.

    References
    ----------
    Lv, Yang, Li, arXiv:2412.08139, for the exponential; the similarity there is CKA.
    """
    counted = torch.ones_like(means[:, :1]) if known is None else known.to(means.dtype).unsqueeze(1)
    centred = counted * (means - (counted * means).sum(0) / counted.sum())
    apart = feature_cost(centred, centred, "cosine")
    costs = 1 - (-sharpness * (apart + apart.mT) / 2).exp()
    return costs.fill_diagonal_(0)


def other_classes(labels: Tensor, classes: int) -> Tensor:
    """Number the classes beside the label of each sample, in order; shape (n, classes - 1)."""
    numbers = torch.arange(classes - 1, device=labels.device)
    return numbers + (numbers >= labels.unsqueeze(1))


def prediction_transport(
    student: Tensor,
    teacher: Tensor,
    cost: Tensor,
    *,
    reg: float,
    debias: Literal["none", "sinkhorn_divergence"] = "none",
) -> tuple[Tensor, int]:
    r"""Transport the teacher's prediction onto the student's, row by row.

    .. math:: OT_\varepsilon(a, b) = \min_{P \in \Pi(a, b)} \langle P, C\rangle + \varepsilon\, KL(P\|ab^T)

    or, debiased, that minus :math:`\tfrac12 OT_\varepsilon(a, a) + \tfrac12 OT_\varepsilon(b, b)`, which is
    0 for equal predictions. The gradient is exact: by the envelope theorem, the gradient of
    :math:`OT_\varepsilon` with respect to :math:`a` is its potential.

    Parameters
    ----------
    student, teacher : Tensor, shape (n, classes)
        Probabilities; the teacher's are constants.
    cost : Tensor, shape (n, classes, classes)
        Symmetric, in [0, 1].
    reg : float
        :math:`\varepsilon`, in units of the cost.

    Returns
    -------
    Tensor, shape (n,)
    int
        Iterations of the solver.
    """
    live, b = _positive(student), _positive(teacher.detach())
    a = live.detach()
    couple = partial(entropic_coupling, reg_mode="absolute", max_iter=enough_iterations(reg), tol=TOLERANCE)
    coupling = couple(cost, reg, a=a, b=b)
    value, iterations = regularised_value(cost, coupling, a, b), coupling.iterations
    slope = coupling.potentials[0]
    if debias == "sinkhorn_divergence":
        of_a, of_b = (self_coupling(cost, reg, reg_mode="absolute", a=weights) for weights in (a, b))
        value = value - regularised_value(cost, of_a, a, a) / 2 - regularised_value(cost, of_b, b, b) / 2
        slope = slope - of_a.potentials[0]
        iterations += of_a.iterations + of_b.iterations
    return value + (slope * (live - a)).sum(1), iterations


def enough_iterations(reg: float) -> int:
    r"""Bound the iterations that reach half of the tolerance at costs up to 1, whatever the predictions.

    References
    ----------
    Dvurechensky, Gasnikov, Kroshnin, "Computational optimal transport: complexity by accelerated gradient
    descent is better than by Sinkhorn's algorithm", ICML 2018.
    """
    radius = 1 / reg - math.log(LEAST_WEIGHT / 2)
    return math.ceil(2 + 4 * radius / (TOLERANCE / 2))


def _positive(weights: Tensor) -> Tensor:
    raised = weights.clamp(min=LEAST_WEIGHT)
    return raised / raised.sum(1, keepdim=True)
