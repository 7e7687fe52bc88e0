"""A transport problem, and the loss that each solver of a bench makes of it."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from ucmkd.transport.cost import feature_cost
from ucmkd.transport.sinkhorn import PlanGrad, entropic_coupling

WIDTH = 64
SPREAD = 0.1  # of each coordinate: costs near 1
DIAMETER = 2.0  # larger than any cost


@dataclass(frozen=True)
class Problem:
    """The l2 transport of one batch of random features onto another, the same points at every precision.

    Attributes
    ----------
    size : int
        Points in each batch.
    dtype : "float32" or "float64"
    epsilon : float
        In units of the cost, which is near 1.
    iterations : int
        Updates of both potentials.
    """

    size: int
    dtype: str
    epsilon: float
    iterations: int

    def points(self) -> tuple[Tensor, Tensor]:
        """Draw both batches, shapes (size, 64)."""
        generator = torch.Generator().manual_seed(0)
        points = SPREAD * torch.randn(2, self.size, WIDTH, generator=generator)
        x, y = points.to(getattr(torch, self.dtype))
        return x, y

    @property
    def matrix_bytes(self) -> int:
        itemsize: int = getattr(torch, self.dtype).itemsize
        return self.size**2 * itemsize


def step(solver: str, problem: Problem) -> float:
    """Take the loss and its gradient with respect to the first batch; NaN where the solver breaks down."""
    x, y = problem.points()
    loss = SOLVERS[solver](x.requires_grad_(), y, problem)
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.item()


def exact_values(problem: Problem) -> dict[str, float]:
    """Solve the problem in float64 in the log domain, by POT, until it no longer changes.

    Returns
    -------
    dict
        ``linear``, the cost of the plan, and ``regularised``, the same and epsilon times its divergence from
        the independent coupling.
    """
    x, y = (points.double() for points in problem.points())
    cost = feature_cost(x, y, "l2")
    plan = _pot_plan(cost, problem.epsilon, method="sinkhorn_log", iterations=100_000, tol=1e-13)
    linear = (plan * cost).sum().item()
    divergence = torch.xlogy(plan, plan * problem.size**2).sum().item()
    return {"linear": linear, "regularised": linear + problem.epsilon * divergence}


def _own(x: Tensor, y: Tensor, problem: Problem, plan_grad: PlanGrad) -> Tensor:
    cost = feature_cost(x, y, "l2")
    coupling = entropic_coupling(
        cost,
        problem.epsilon,
        reg_mode="absolute",
        max_iter=problem.iterations,
        tol=math.inf,
        plan_grad=plan_grad,
    )
    return (coupling.plan * cost).sum()


def _pot(x: Tensor, y: Tensor, problem: Problem, method: str, plan_grad: PlanGrad) -> Tensor:
    cost = feature_cost(x, y, "l2")
    seen = cost.detach() if plan_grad == "envelope" else cost
    return (_pot_plan(seen, problem.epsilon, method, problem.iterations) * cost).sum()


def _pot_plan(cost: Tensor, epsilon: float, method: str, iterations: int, tol: float = 0) -> Tensor:
    import ot

    a, b = (cost.new_full((size,), 1 / size) for size in cost.shape)
    with warnings.catch_warnings(record=True) as breakdown:
        warnings.filterwarnings("always", message=".*numerical errors")
        plan: Tensor = ot.sinkhorn(
            a, b, cost, epsilon, method=method, numItermax=iterations, stopThr=tol, warn=False
        )
    return plan * math.nan if breakdown else plan


def _geomloss(x: Tensor, y: Tensor, problem: Problem) -> Tensor:
    """Descend geometrically from the diameter to epsilon, in as many iterations."""
    from geomloss import SamplesLoss

    loss = SamplesLoss(
        "sinkhorn",
        p=1,
        blur=problem.epsilon,
        diameter=DIAMETER,
        scaling=(problem.epsilon / DIAMETER) ** (1 / (problem.iterations - 2.5)),
        cost=partial(feature_cost, metric="l2"),
        debias=False,
        backend="tensorized",
    )
    value: Tensor = loss(x, y)
    return value


SOLVERS: dict[str, Callable[[Tensor, Tensor, Problem], Tensor]] = {
    "ucmkd_envelope": partial(_own, plan_grad="envelope"),
    "ucmkd_unrolled": partial(_own, plan_grad="unrolled"),
    "pot_plain": partial(_pot, method="sinkhorn", plan_grad="unrolled"),
    "pot_log": partial(_pot, method="sinkhorn_log", plan_grad="unrolled"),
    "pot_plain_envelope": partial(_pot, method="sinkhorn", plan_grad="envelope"),
    "pot_log_envelope": partial(_pot, method="sinkhorn_log", plan_grad="envelope"),
    "geomloss": _geomloss,
}
