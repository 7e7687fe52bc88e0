"""Entropic optimal transport between weighted batches: a coupling that is checked to be one."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ucmkd.errors import TransportError
from ucmkd.transport.arrays import (
    Array,
    alike,
    differentiated,
    fixed,
    full_precision,
    median_of_rows,
    module,
    native,
    read,
    tensor,
)
from ucmkd.transport.scaling import potentials, self_potential

RegMode = Literal["relative", "absolute"]
PlanGrad = Literal["envelope", "unrolled"]

MASS_ERROR = 1e-3
TINY = torch.finfo(torch.float32).tiny


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
        pairs = self.plan.shape[-2:].numel()
        if pairs == 1:
            return self.plan.new_zeros(self.plan.shape[:-2])
        plan = native(self.plan, pairs)
        entropies = -(plan * module(plan).log(plan.clip(TINY))).sum((-2, -1), keepdims=True)
        return tensor(1 - entropies / math.log(pairs)).reshape(self.plan.shape[:-2])


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
    with full_precision(cost):
        costs = _followed(_problems(cost), plan_grad)
        constant, batch = fixed(costs), cost.shape[:-2]
        a, b = _weights(a, constant, batch), _weights(b, constant.mT, batch)
        epsilon = _epsilon(constant, reg, reg_mode)
        shift = module(constant).amin(constant, axis=-1, keepdims=True)
        scaled = costs - shift
        scaled /= epsilon
        f, g, iterations = potentials(scaled, a, b, max_iter, tol)
        plan = _plan(scaled, f, g, a, b)
        _check_plan(fixed(plan), a, b, tol, iterations, epsilon)
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
    with full_precision(cost):
        costs = _followed(_problems(cost), plan_grad)
        constant = fixed(costs)
        a = _weights(a, constant, cost.shape[:-2])
        epsilon = _epsilon(constant, reg, reg_mode)
        scaled = costs / epsilon
        f, iterations = self_potential(scaled, a, max_iter, tol)
        plan = _plan(scaled, f, f, a, a)
        _check_plan(fixed(plan), a, a, tol, iterations, epsilon)
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
    batch, (n, m) = cost.shape[:-2], cost.shape[-2:]
    f, g = coupling.potentials
    known: list[Array] = [
        _problems(cost), f.reshape(-1, n, 1), g.reshape(-1, m, 1), coupling.epsilon.reshape(-1, 1, 1)
    ]  # fmt: skip
    if not any(map(differentiated, known)):
        known = [native(each, n * m) for each in known]
    costs, f, g, epsilon = known
    a, b = _weights(a, fixed(costs), batch), _weights(b, fixed(costs).mT, batch)
    density = module(costs).exp((f + g.mT - costs) / epsilon)
    mass = (a * density * b.mT).sum((-2, -1), keepdims=True)
    value = (f * a).sum(-2, keepdims=True) + (g * b).sum(-2, keepdims=True) + epsilon * (1 - mass)
    return tensor(value).reshape(batch)


def _coupling(
    shape: torch.Size, plan: Array, iterations: int, epsilon: Array, f: Array, g: Array
) -> Coupling:
    *batch, n, m = shape
    return Coupling(
        plan=tensor(plan.reshape(shape)),
        iterations=iterations,
        epsilon=tensor(epsilon.reshape(batch)),
        potentials=(tensor(f.reshape(*batch, n)), tensor(g.reshape(*batch, m))),
    )


def _problems(cost: Tensor) -> Tensor:
    """Shape the costs (problems, n, m), in float32 at least."""
    if cost.numel() == 0:
        raise TransportError("one of the batches is empty; there is nothing to transport")
    return cost.to(torch.promote_types(cost.dtype, torch.float32)).reshape(-1, *cost.shape[-2:])


def _followed(cost: Tensor, plan_grad: PlanGrad) -> Array:
    """Cut what the iterations see off from the gradient, unless that is to follow them."""
    return native(cost, cost.shape[-2:].numel()) if plan_grad == "envelope" else cost


def _plan(scaled: Array, f: Array, g: Array, a: Array, b: Array) -> Array:
    density = f + g.mT
    density -= scaled
    if differentiated(density):
        return a * density.exp() * b.mT
    module(density).exp(density, out=density)
    density *= a
    density *= b.mT
    return density


def _weights(given: Tensor | None, costs: Array, batch: torch.Size) -> Array:
    """Shape the weights of the rows (problems, points, 1)."""
    problems, size, _ = costs.shape
    if given is None:
        return module(costs).full_like(costs[..., :1], 1 / size)
    if given.shape[-1] != size:
        raise TransportError(f"{given.shape[-1]} weights for {size} points; give one to each")
    weights = given.detach().to(tensor(costs).dtype)
    total = weights.sum(-1, keepdim=True)
    if not bool((weights > 0).all()) or not bool(((total - 1).abs() < MASS_ERROR).all()):
        raise TransportError(
            "weights must be positive and sum to 1; drop points of weight 0, divide by the sum"
        )
    return alike((weights / total).expand(*batch, size).reshape(problems, size, 1), costs)


def _epsilon(costs: Array, reg: float | Tensor, reg_mode: RegMode) -> Array:
    """Check costs and regularisation, and shape this (problems, 1, 1), in units of the cost."""
    finite = _check_costs(costs)
    least = reg.min().item() if isinstance(reg, Tensor) else reg
    if not 0 < least < math.inf:
        raise TransportError(f"reg must be a positive number, not {reg}")
    if isinstance(reg, Tensor):
        reg = alike(reg.detach().to(tensor(costs)).reshape(-1, 1, 1), costs)
    typical = _typical(costs, finite) if reg_mode == "relative" else module(costs).ones_like(costs[:, :1, :1])
    return typical * reg


def _check_costs(costs: Array) -> bool:
    """Tell whether all costs of sound problems are finite."""
    low, high = read(costs.min(), costs.max())
    if not low >= 0:
        raise TransportError(f"costs must be numbers from 0 up, but one is {low}; look at the features")
    if not math.isinf(high):
        return True
    amin = module(costs).amin
    if math.isinf(max(amin(costs, -1).max(), amin(costs, -2).max())):
        raise TransportError(
            "a point has no finite cost to any other, so nothing can be coupled; "
            "look at the features, or make the label cost finite"
        )
    return False


def _typical(costs: Array, finite: bool) -> Array:
    """Take the median finite cost, but at least a hundredth of the mean; 1 where nothing costs anything."""
    flat = costs.reshape(len(costs), 1, -1)
    if finite:
        median, mean = median_of_rows(flat), flat.sum(-1, keepdims=True) / flat.shape[-1]
    else:
        seen = tensor(flat).masked_fill(tensor(flat).isinf(), math.nan)
        found = seen.nanmedian(-1, keepdim=True).values, seen.nanmean(-1, keepdim=True)
        median, mean = (alike(x, costs) for x in found)
    xp = module(costs)
    typical = xp.maximum(median, mean / 100)
    return xp.where(typical > 0, typical, 1)


def _check_plan(plan: Array, a: Array, b: Array, tol: float, iterations: int, epsilon: Array) -> None:
    rows, columns = plan.sum(-1, keepdims=True), plan.sum(-2, keepdims=True).mT
    missed = module(plan).maximum(abs(rows - a).sum(-2), abs(columns - b).sum(-2)).max()
    (violation,) = read(missed)
    if violation <= min(tol, MASS_ERROR):  # the mass cannot be further off
        return
    mass_error, smallest = read(abs(rows.sum(-2) - 1).max(), epsilon.min())
    if mass_error < MASS_ERROR and violation <= tol:
        return
    raise TransportError(
        f"the coupling misses its marginals by {violation:.2g} (tolerance {tol:.2g}) and its mass by "
        f"{mass_error:.2g} after {iterations} iterations with epsilon {smallest:.3g}; raise reg, "
        "max_iter or tol, and where pairs are forbidden (label cost inf) give both batches equal class shares"
    )
