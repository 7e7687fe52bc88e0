"""Entropic optimal transport between weighted batches: a coupling that is checked to be one."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ucmkd.errors import TransportError
from ucmkd.transport.scaling import potentials, self_potential

RegMode = Literal["relative", "absolute"]
PlanGrad = Literal["envelope", "unrolled"]

MASS_ERROR = 1e-3


@dataclass(frozen=True)
class Coupling:
    r"""A plan :math:`P` between two weighted batches.

    Attributes
    ----------
    plan : Tensor, shape (..., n, m)
        Rows sum to ``a``, columns to ``b``.
    iterations : int
        Updates of both potentials; where problems are solved together, those of the slowest.
    epsilon : Tensor, shape (...)
        The regularisation used, in units of the cost, without gradient.
    potentials : pair of Tensor, shapes (..., n) and (..., m)
        The dual solution in units of the cost, :math:`P = ab^T \exp((f + g - C) / \varepsilon)`.
    """

    plan: Tensor
    iterations: int
    epsilon: Tensor
    potentials: tuple[Tensor, Tensor]

    @property
    def sharpness(self) -> Tensor:
        r"""Measure how far the plan is from spreading evenly over all pairs.

        Returns
        -------
        Tensor, shape (...)
            :math:`1 - \mathrm{Ent}(P) / \log nm`, without gradient; 0 for the independent coupling of two
            batches with uniform weights.
        """
        plan = self.plan.detach()
        pairs = plan.shape[-2:].numel()
        if pairs == 1:
            return plan.new_zeros(plan.shape[:-2])
        entropy: Tensor = torch.special.entr(plan).sum((-2, -1))
        return 1 - entropy / math.log(pairs)


def entropic_coupling(
    cost: Tensor,
    reg: float | Tensor = 0.05,
    *,
    reg_mode: RegMode = "relative",
    a: Tensor | None = None,
    b: Tensor | None = None,
    max_iter: int = 1000,
    tol: float = 1e-3,
    plan_grad: PlanGrad = "envelope",
) -> Coupling:
    r"""Couple two weighted batches at the least entropic cost.

    .. math:: \min_{P \in \Pi(a, b)} \langle P, C \rangle + \varepsilon\, \mathrm{KL}(P \,|\, ab^T)

    which has the same solution as :math:`\langle P, C \rangle - \varepsilon\, \mathrm{Ent}(P)`.

    Parameters
    ----------
    cost : Tensor, shape (..., n, m)
        Not negative; ``inf`` forbids a pair. Leading dimensions are separate problems.
    reg : float or Tensor of shape (...)
        ``absolute``: :math:`\varepsilon` itself, in units of the cost. ``relative``: in units of the
        problem's median finite cost, or of a hundredth of its mean if that is more (as where most points
        coincide), as a constant to the gradient.
    a, b : Tensor, shapes (..., n) and (..., m), optional
        Positive weights that sum to 1, constants to the gradient; uniform by default.
    max_iter : int
        At most so many updates of both potentials, which start from 0. If 200 are not enough, ``envelope``
        approaches the problem by way of coarser epsilons instead, and spends them on the last.
    tol : float
        Largest violation of a marginal, as the sum of the absolute differences from its weights. ``inf`` runs
        exactly ``max_iter`` iterations and accepts what they reached.
    plan_grad : "envelope" or "unrolled"
        ``envelope``: plan and potentials are constants, to higher derivatives too. ``unrolled``: they carry
        the gradient of the iterations; a gradient of this gradient is exact too, but slow.

    Raises
    ------
    TransportError
        If costs are NaN, negative or infinite all along a row or column, if a weight or ``reg`` is not
        positive, or if the plan misses its marginals or a total mass of 1.

    References
    ----------
    Cuturi, "Sinkhorn distances", NeurIPS 2013. Schmitzer, "Stabilized sparse scaling algorithms for entropy
    regularized transport problems", SIAM J. Sci. Comput. 2019.
    """
    with torch.autocast(cost.device.type, enabled=False):
        problems = _stacked(cost)
        a, b = _weights(a, cost, -2), _weights(b, cost, -1)
        epsilon = _epsilon(problems.detach(), reg, reg_mode)
        shift = problems.detach().amin(-1, keepdim=True)
        scaled = (_followed(problems, plan_grad) - shift).div_(epsilon)
        f, g, iterations = potentials(scaled, a, b, max_iter, tol)
        plan = _plan(scaled, f, g, a, b)
        _check_plan(plan.detach(), a, b, tol, iterations, epsilon)
        return _coupling(cost.shape, plan, iterations, epsilon, shift + epsilon * f, epsilon * g)


def self_coupling(
    cost: Tensor,
    reg: float | Tensor = 0.05,
    *,
    reg_mode: RegMode = "relative",
    a: Tensor | None = None,
    max_iter: int = 1000,
    tol: float = 1e-3,
    plan_grad: PlanGrad = "envelope",
) -> Coupling:
    """Couple a weighted batch with itself, as :func:`entropic_coupling` does but in far fewer iterations.

    Parameters
    ----------
    cost : Tensor, shape (..., n, n)
        Equal to its transpose.

    Returns
    -------
    Coupling
        Symmetric, with twice the same potential.
    """
    with torch.autocast(cost.device.type, enabled=False):
        problems = _stacked(cost)
        a = _weights(a, cost, -2)
        epsilon = _epsilon(problems.detach(), reg, reg_mode)
        scaled = _followed(problems, plan_grad) / epsilon
        f, iterations = self_potential(scaled, a, max_iter, tol)
        plan = _plan(scaled, f, f, a, a)
        _check_plan(plan.detach(), a, a, tol, iterations, epsilon)
        return _coupling(cost.shape, plan, iterations, epsilon, epsilon * f, epsilon * f)


def regularised_value(
    cost: Tensor, coupling: Coupling, a: Tensor | None = None, b: Tensor | None = None
) -> Tensor:
    r"""Evaluate the optimum that a coupling attains, through its dual.

    .. math:: \langle a, f \rangle + \langle b, g \rangle
              + \varepsilon (1 - \langle ab^T, \exp((f + g - C) / \varepsilon) \rangle)

    The dual value is never above the optimum and misses it by the square of what the solver missed. Its
    gradient with respect to the cost is the plan if the potentials are constants (``envelope``);
    ``unrolled`` potentials add what the iterations left to gain.

    Parameters
    ----------
    cost : Tensor, shape (..., n, m)
        What the coupling was computed from, with the same weights ``a`` and ``b``.

    Returns
    -------
    Tensor, shape (...)
        :math:`\min_P \langle P, C \rangle + \varepsilon\, \mathrm{KL}(P \,|\, ab^T)`, in units of the cost.

    References
    ----------
    Feydy et al., "Interpolating between optimal transport and MMD using Sinkhorn divergences", AISTATS 2019.
    """
    a, b = _weights(a, cost, -2), _weights(b, cost, -1)
    (f, g), epsilon = coupling.potentials, coupling.epsilon
    density = ((f.unsqueeze(-1) + g.unsqueeze(-2) - cost) / epsilon[..., None, None]).exp()
    mass = (a * density.reshape(-1, *cost.shape[-2:]) * b.mT).sum((-2, -1)).reshape(epsilon.shape)
    return (f * a.reshape(f.shape)).sum(-1) + (g * b.reshape(g.shape)).sum(-1) + epsilon * (1 - mass)


def _coupling(
    shape: torch.Size, plan: Tensor, iterations: int, epsilon: Tensor, f: Tensor, g: Tensor
) -> Coupling:
    *batch, n, m = shape
    return Coupling(
        plan=plan.reshape(shape),
        iterations=iterations,
        epsilon=epsilon.reshape(batch),
        potentials=(f.reshape(*batch, n), g.reshape(*batch, m)),
    )


def _stacked(cost: Tensor) -> Tensor:
    """Check the costs and shape them (problems, n, m), in float32 at least."""
    if cost.numel() == 0:
        raise TransportError("one of the batches is empty; there is nothing to transport")
    cost = cost.to(torch.promote_types(cost.dtype, torch.float32)).reshape(-1, *cost.shape[-2:])
    low, high = (bound.item() for bound in cost.detach().aminmax())
    if not low >= 0:
        raise TransportError(f"costs must be numbers from 0 up, but one is {low}; look at the features")
    if math.isinf(high) and bool(cost.amin(-1).isinf().any() | cost.amin(-2).isinf().any()):
        raise TransportError(
            "a point has no finite cost to any other, so nothing can be coupled; "
            "look at the features, or make the label cost finite"
        )
    return cost


def _followed(cost: Tensor, plan_grad: PlanGrad) -> Tensor:
    """Cut what the iterations see off from the gradient, unless that is to follow them."""
    return cost.detach() if plan_grad == "envelope" else cost


def _plan(scaled: Tensor, f: Tensor, g: Tensor, a: Tensor, b: Tensor) -> Tensor:
    density = (f + g.mT).sub_(scaled).exp_()
    weighted = a * density if density.requires_grad else density.mul_(a)  # exp's gradient needs its result
    return weighted.mul_(b.mT)


def _weights(given: Tensor | None, cost: Tensor, dim: int) -> Tensor:
    """Shape the weights (problems, points, 1)."""
    size, problems = cost.shape[dim], cost.shape[:-2].numel()
    dtype = torch.promote_types(cost.dtype, torch.float32)
    if given is None:
        return torch.full((problems, size, 1), 1 / size, dtype=dtype, device=cost.device)
    if given.shape[-1] != size:
        raise TransportError(f"{given.shape[-1]} weights for {size} points; give one to each")
    weights = given.detach().to(dtype)
    total = weights.sum(-1, keepdim=True)
    if not bool((weights > 0).all()) or not bool(((total - 1).abs() < MASS_ERROR).all()):
        raise TransportError(
            "weights must be positive and sum to 1; drop points of weight 0, divide by the sum"
        )
    return (weights / total).expand(*cost.shape[:-2], size).reshape(problems, size, 1)


def _epsilon(cost: Tensor, reg: float | Tensor, reg_mode: RegMode) -> Tensor:
    """Shape the regularisation (problems, 1, 1), in units of the cost."""
    least = reg.min().item() if isinstance(reg, Tensor) else reg
    if not 0 < least < math.inf:
        raise TransportError(f"reg must be a positive number, not {reg}")
    if isinstance(reg, Tensor):
        reg = reg.detach().to(cost).reshape(-1, 1, 1)
    typical = _typical(cost) if reg_mode == "relative" else cost.new_ones(1, 1, 1)
    return (typical * reg).expand(len(cost), 1, 1)


def _typical(cost: Tensor) -> Tensor:
    """Take the median finite cost, but at least a hundredth of the mean; 1 where nothing costs anything."""
    costs = cost.flatten(-2)
    median, mean = costs.median(-1).values, costs.mean(-1)
    if math.isinf(mean.max().item()):
        finite = costs.masked_fill(costs.isinf(), math.nan)
        median, mean = finite.nanmedian(-1).values, finite.nanmean(-1)
    typical = torch.maximum(median, mean / 100)
    return torch.where(typical > 0, typical, 1).reshape(-1, 1, 1)


def _check_plan(plan: Tensor, a: Tensor, b: Tensor, tol: float, iterations: int, epsilon: Tensor) -> None:
    rows, columns = plan.sum(-1, keepdim=True), plan.sum(-2, keepdim=True).mT
    violation = torch.maximum((rows - a).abs().sum(-2), (columns - b).abs().sum(-2)).max().item()
    if violation <= min(tol, MASS_ERROR):  # the mass cannot be further off
        return
    mass_error = (rows.sum(-2) - 1).abs().max().item()
    if mass_error < MASS_ERROR and violation <= tol:
        return
    raise TransportError(
        f"the coupling misses its marginals by {violation:.2g} (tolerance {tol:.2g}) and its mass by "
        f"{mass_error:.2g} after {iterations} iterations with epsilon {epsilon.min().item():.3g}; raise reg, "
        "max_iter or tol, and where pairs are forbidden (label cost inf) give both batches equal class shares"
    )
