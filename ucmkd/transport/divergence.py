"""Transport between two batches of features as a loss."""

import math
from dataclasses import dataclass
from functools import partial
from typing import Literal

from torch import Tensor

from ucmkd.errors import TransportError
from ucmkd.transport.cost import Metric, feature_cost, with_label_cost
from ucmkd.transport.sinkhorn import PlanGrad, RegMode, entropic_coupling, regularised_value, self_coupling

Debias = Literal["none", "sinkhorn_divergence"]


@dataclass(frozen=True)
class TransportLoss:
    """What moving one batch onto the other costs.

    Attributes
    ----------
    value : Tensor, shape (...)
        In units of the cost; one for each problem.
    iterations : int
        Of all the couplings that the value needed.
    sharpness : Tensor, scalar
        Of the coupling of the two batches (see ``Coupling``), averaged over problems, without gradient.
    """

    value: Tensor
    iterations: int
    sharpness: Tensor


def transport_loss(
    x: Tensor,
    y: Tensor,
    *,
    metric: Metric = "l2",
    reg: float = 0.05,
    reg_mode: RegMode = "relative",
    plan_grad: PlanGrad = "envelope",
    debias: Debias = "none",
    label_cost: float = 0.0,
    labels_x: Tensor | None = None,
    labels_y: Tensor | None = None,
    max_iter: int = 1000,
    tol: float = 1e-3,
) -> TransportLoss:
    r"""Measure the entropic transport between two uniformly weighted batches.

    Without debiasing the value is the linear part :math:`\langle P, C \rangle` alone, which the entropic plan
    keeps above 0 even for equal batches. The Sinkhorn divergence is

    .. math:: S(x, y) = OT_\varepsilon(x, y) - \tfrac12 OT_\varepsilon(x, x) - \tfrac12 OT_\varepsilon(y, y)

    with :math:`OT_\varepsilon = \min_P \langle P, C \rangle + \varepsilon\, \mathrm{KL}(P \,|\, ab^T)` and
    for all three the :math:`\varepsilon` of the first. It is 0 for equal batches and, up to the solver's
    tolerance, never negative.

    Parameters
    ----------
    x, y : Tensor, shapes (..., n, d) and (..., m, d)
        Features; leading dimensions are separate problems.
    metric : see :func:`feature_cost`
    reg, reg_mode, plan_grad, max_iter, tol : see :func:`entropic_coupling`
        With ``unrolled`` the loss is the last of the iterations' values and its gradient that of the
        iterations. With ``envelope`` the plan is a constant, which makes the gradient that of
        :math:`OT_\varepsilon`.
    label_cost : float
        Added where the labels differ, in units of the metric; ``inf`` transports within classes only.
    labels_x, labels_y : Tensor of int, shapes (..., n) and (..., m), optional
        Needed by a label cost.

    Raises
    ------
    TransportError
        If the problem is ill posed or its solver does not converge.

    References
    ----------
    Genevay, Peyré, Cuturi, "Learning generative models with Sinkhorn divergences", AISTATS 2018;
    Feydy et al., "Interpolating between optimal transport and MMD using Sinkhorn divergences", AISTATS 2019.
    """

    def cost_between(p: Tensor, q: Tensor, labels_p: Tensor | None, labels_q: Tensor | None) -> Tensor:
        cost = feature_cost(p, q, metric)
        if label_cost == 0:
            return cost
        if labels_p is None or labels_q is None:
            raise TransportError(f"a label cost of {label_cost} needs the labels of both batches")
        return with_label_cost(cost, labels_p, labels_q, label_cost)

    couple = partial(entropic_coupling, max_iter=max_iter, tol=tol, plan_grad=plan_grad)
    couple_with_itself = partial(self_coupling, max_iter=max_iter, tol=tol, plan_grad=plan_grad)

    cost = cost_between(x, y, labels_x, labels_y)
    coupling = couple(cost, reg, reg_mode=reg_mode)
    iterations, sharpness = coupling.iterations, coupling.sharpness.mean()
    if debias == "none":
        finite = cost.masked_fill(cost == math.inf, 0) if label_cost == math.inf else cost
        return TransportLoss((coupling.plan * finite).sum((-2, -1)), iterations, sharpness)
    value = regularised_value(cost, coupling)
    for points, labels in ((x, labels_x), (y, labels_y)):
        own_cost = cost_between(points, points, labels, labels)
        own = couple_with_itself(own_cost, coupling.epsilon, reg_mode="absolute")
        value = value - regularised_value(own_cost, own) / 2
        iterations += own.iterations
    return TransportLoss(value, iterations, sharpness)
