"""How fast the solver is, against the solvers of the POT library on the same problem."""

import math
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ucmkd.threads import one_thread
from ucmkd.transport.cost import feature_cost
from ucmkd.transport.sinkhorn import PlanGrad, entropic_coupling

ITERATIONS = 100
EPSILON = 0.05
WIDTH = 64
SPREAD = 0.1  # of each coordinate: costs near 1, at which the plain-domain solver does not underflow yet

Solver = Callable[[Tensor], Tensor]


def bench_transport(sizes: tuple[int, ...] = (64,), rounds: int = 30) -> list[dict[str, Any]]:
    """Time the loss and its gradient, 100 iterations of every solver, on one thread of the CPU.

    The problem is the l2 transport of random features at an absolute epsilon. Rounds are interleaved, so that
    whatever else the machine does falls on all solvers alike.

    Returns
    -------
    list of dict
        For each size, precision and solver: ``solver, dtype, size, seconds`` (of the processor, median),
        ``ratio_to_pot_plain`` (of the medians) and ``error_against_exact``, the relative error of the linear
        part against that of the converged entropic coupling, solved by POT in the log domain in float64.
    """
    with one_thread():
        return [
            row
            for size in sizes
            for dtype in (torch.float32, torch.float64)
            for row in _compare(size, dtype, rounds)
        ]


def _compare(size: int, dtype: torch.dtype, rounds: int) -> list[dict[str, Any]]:
    generator = torch.Generator().manual_seed(0)
    x, y = (SPREAD * torch.randn(2, size, WIDTH, generator=generator, dtype=torch.float64)).to(dtype)
    solvers: dict[str, Solver] = {
        "ucmkd_envelope": partial(_own_plan, plan_grad="envelope"),
        "ucmkd_unrolled": partial(_own_plan, plan_grad="unrolled"),
        "pot_plain": partial(_pot_plan, method="sinkhorn"),
        "pot_log": partial(_pot_plan, method="sinkhorn_log"),
    }
    exact = _exact_value(x, y)
    values = {name: _step(solver, x, y) for name, solver in solvers.items()}
    seconds: dict[str, list[float]] = {name: [] for name in solvers}
    for _ in range(rounds):
        for name, solver in solvers.items():
            start = time.process_time()
            _step(solver, x, y)
            seconds[name].append(time.process_time() - start)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    return [
        {
            "solver": name,
            "dtype": str(dtype).removeprefix("torch."),
            "size": size,
            "seconds": medians[name],
            "ratio_to_pot_plain": medians[name] / medians["pot_plain"],
            "error_against_exact": abs(values[name] - exact) / exact,
        }
        for name in solvers
    ]


def _step(solver: Solver, x: Tensor, y: Tensor) -> float:
    x = x.clone().requires_grad_()
    cost = feature_cost(x, y, "l2")
    value = (solver(cost) * cost).sum()
    value.backward()  # type: ignore[no-untyped-call]
    return value.item()


def _own_plan(cost: Tensor, plan_grad: PlanGrad) -> Tensor:
    return entropic_coupling(
        cost, EPSILON, reg_mode="absolute", max_iter=ITERATIONS, tol=math.inf, plan_grad=plan_grad
    ).plan


def _pot_plan(cost: Tensor, method: str, iterations: int = ITERATIONS, tol: float = 0) -> Tensor:
    import ot

    a, b = (cost.new_full((size,), 1 / size) for size in cost.shape)
    plan: Tensor = ot.sinkhorn(
        a, b, cost, EPSILON, method=method, numItermax=iterations, stopThr=tol, warn=False
    )
    return plan


def _exact_value(x: Tensor, y: Tensor) -> float:
    cost = feature_cost(x.double(), y.double(), "l2")
    return (_pot_plan(cost, "sinkhorn_log", iterations=100_000, tol=1e-13) * cost).sum().item()
