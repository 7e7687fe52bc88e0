"""Sinkhorn's iterations: the dual of entropic transport, solved by scaling a kernel that absorbs scalings.

Everything here is in units of epsilon and stacked: costs (problems, n, m), weights and potentials
(problems, n, 1) and (problems, m, 1). A plan is ``a * exp(f + g.mT - cost) * b.mT``.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import Function

CHECK_EVERY = 10
MAX_LOG_SCALING = 40.0  # float32 holds exp(±87), and products of two scalings must fit
NUMPY_ENTRIES = 2**18  # of a cost matrix: beyond, NumPy's products start threads of their own
PATIENCE = 200  # iterations on a problem before it is approached by way of coarser ones, and on each of those


def potentials(cost: Tensor, a: Tensor, b: Tensor, max_iter: int, tol: float) -> tuple[Tensor, Tensor, int]:
    """Find both potentials and the number of iterations they took.

    Iterations start from 0 and stop when the marginals are violated by half of ``tol``, which leaves the
    other half to rounding; ``inf`` runs all ``max_iter``. If the cost requires a gradient, the potentials
    carry that of the iterations. If not, what is not solved soon is solved by way of coarser problems.
    """
    start = torch.zeros_like(b)
    if max_iter == 1:
        return *_update_logs(cost, start, a, b), 1
    if cost.requires_grad:
        return _Unrolled.apply(cost, a, b, max_iter, tol)  # type: ignore[no-any-return]
    first = max_iter if tol == math.inf else min(max_iter, PATIENCE)
    f, g, stretches = _iterate(cost, start, a, b, first, tol)
    if first == max_iter or stretches[-1].violation(_native(a, cost)) < tol / 2:
        return f, g, _count(stretches)
    f, g, iterations = _anneal(cost, a, b, max_iter, tol)
    return f, g, _count(stretches) + iterations


def _anneal(cost: Tensor, a: Tensor, b: Tensor, max_iter: int, tol: float) -> tuple[Tensor, Tensor, int]:
    """Halve epsilon from the largest cost down to 1, starting each time where the last two solutions point.

    If little mass has to cross a gap many epsilons wide, the potentials climb it in many small steps. At a
    coarser epsilon the gap is narrow, and the potentials change little and smoothly with epsilon.
    """
    scale = 2.0 ** math.ceil(math.log2(max(1.0, cost.masked_fill(cost.isinf(), 0).max().item())))
    g, change, iterations = torch.zeros_like(b), torch.zeros_like(b), 0
    while True:
        limit = min(max_iter, PATIENCE) if scale > 1 else max_iter
        f, solved, stretches = _iterate(cost / scale, (g + change) / scale, a, b, limit, tol)
        iterations += _count(stretches)
        if scale == 1:
            return f, solved, iterations
        change = (scale * solved - g) / 2
        g = scale * solved
        scale /= 2


def self_potential(cost: Tensor, a: Tensor, max_iter: int, tol: float) -> tuple[Tensor, int]:
    """Find the one potential of a batch coupled with itself at a symmetric cost, as :func:`potentials` does.

    Averaging each update with what it updates keeps the symmetry and takes a few iterations where alternating
    takes thousands (Knight, Ruiz, Uçar, "A symmetry preserving algorithm for matrix scaling", 2014).
    """
    f = torch.zeros_like(a)
    for iteration in range(1, max_iter + 1):
        update = -torch.logsumexp(a.log().mT + f.mT - cost, -1, keepdim=True)
        row_sums = (f - update).detach().exp()  # of the plan under f, in units of a
        if tol < math.inf and (a * (row_sums - 1).abs()).sum(-2).max().item() < tol / 2:
            return f, iteration
        f = (f + update) / 2
    return f, max_iter


def _update_logs(
    cost: Tensor, g: Tensor, a: Tensor, b: Tensor, room: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Update both potentials once, in the log domain, where nothing overflows; in given memory, if any."""
    f = -_log_sum_exp(torch.sub(b.log().mT + g.mT, cost, out=room), -1)
    g = -_log_sum_exp(torch.sub(a.log() + f, cost, out=room), -2).mT
    return f, g


def _log_sum_exp(x: Tensor, dim: int) -> Tensor:
    """Do what torch's function does, in the memory of ``x`` where no gradient needs it."""
    if x.requires_grad:
        return torch.logsumexp(x, dim, keepdim=True)
    largest = x.amax(dim, keepdim=True)
    return x.sub_(largest).exp_().sum(dim, keepdim=True).log_().add_(largest)


@dataclass(frozen=True)
class _Stretch:
    """Iterations ``u = a / (rows @ v)``, ``v = b / (columns @ u)`` from 1, between two absorptions.

    Small matrices: ``rows`` is the law of y given x under the absorbed potentials, up to a factor for ``u``
    to correct, ``columns`` that of x given y, and ``a`` and ``b`` are 1. On the CPU the arrays are NumPy's,
    whose operations take half the time there. Large ones: ``rows`` is the plan under the absorbed potentials,
    ``columns`` the same memory seen the other way, and ``a`` and ``b`` are the weights.
    """

    rows: Any
    columns: Any
    a: Any
    b: Any
    us: list[Any]
    vs: list[Any]

    def run(self, iterations: int) -> None:
        matmul = _module(self.rows).matmul
        v = self.vs[-1]
        for _ in range(iterations):
            u = self.a / matmul(self.rows, v)
            v = self.b / matmul(self.columns, u)
            self.us.append(u)
            self.vs.append(v)

    def violation(self, a: Any) -> Any:
        """Measure how far the rows missed their weights, in the worst problem, before the last update."""
        return (a * abs(self.us[-2] / self.us[-1] - 1)).sum(-2).max()

    def move(self, f: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
        """Take the potentials from where this stretch begins to where it ends."""
        return f + _tensor(self.us[-1]).log(), g + _tensor(self.vs[-1]).log()


def _absorb(cost: Tensor, f: Tensor, g: Tensor, a: Tensor, b: Tensor, room: Tensor | None = None) -> _Stretch:
    density = torch.add(f, g.mT, out=room).sub_(cost).exp_()
    u, v = torch.ones_like(f), torch.ones_like(g)
    if _large(cost):
        plan = density.mul_(a).mul_(b.mT)
        return _Stretch(plan, plan.mT, a, b, [u], [v])
    columns = (a * density).mT.contiguous()
    rows = density.mul_(b.mT)
    rows, columns, u, v = (_native(x, cost) for x in (rows, columns, u, v))
    return _Stretch(rows, columns, u, v, [u], [v])


def _large(cost: Tensor) -> bool:
    return cost.shape[-2:].numel() > NUMPY_ENTRIES


def _native(x: Tensor, cost: Tensor) -> Any:
    return x.numpy() if x.device.type == "cpu" and not _large(cost) else x


def _tensor(x: Any) -> Tensor:
    return x if isinstance(x, Tensor) else torch.from_numpy(x)


def _module(x: Any) -> ModuleType:
    return torch if isinstance(x, Tensor) else np


@torch.no_grad()
def _iterate(
    cost: Tensor, start: Tensor, a: Tensor, b: Tensor, max_iter: int, tol: float
) -> tuple[Tensor, Tensor, list[_Stretch]]:
    """Repeat :func:`_update_logs` by scalings, ``u = exp(f - absorbed f)`` and ``v``, to given marginals.

    An update never moves the log-scalings further than the one before did (the map is non-expansive), and
    right after an absorption ``u = 1`` is answered by ``v = 1``. So, when the last update moved ``log u``
    by at most a step, ten more leave both log-scalings within ten steps of the largest ``log u`` now.
    """
    room = cost.new_empty(cost.shape) if _large(cost) else None  # a fresh matrix costs as much as an exp
    f, g = _update_logs(cost, start, a, b, room)
    stretches = [_absorb(cost, f, g, a, b, room)]
    weights = _native(a, cost)
    remaining, length = max_iter - 1, 1
    while remaining > 0:
        stretch = stretches[-1]
        stretch.run(min(length, remaining))
        remaining -= length
        before, u = stretch.us[-2:]
        violation, moved, scaling = _read(
            stretch.violation(weights), _largest_log(before / u), _largest_log(u)
        )
        if violation < tol / 2 < math.inf:
            break
        drift = CHECK_EVERY * moved
        if remaining > 0 and scaling + drift > MAX_LOG_SCALING:
            f, g = stretch.move(f, g)
            stretches.append(_absorb(cost, f, g, a, b))
        length = CHECK_EVERY if drift <= MAX_LOG_SCALING else 1
    return *stretches[-1].move(f, g), stretches


def _count(stretches: list[_Stretch]) -> int:
    return 1 + sum(len(stretch.us) - 1 for stretch in stretches)


def _largest_log(x: Any) -> Any:
    return abs(_module(x).log(x)).max()


def _read(*numbers: Any) -> list[float]:
    """Read numbers at once: each reading from a GPU waits for all that it has been asked."""
    if isinstance(numbers[0], Tensor):
        return torch.stack(numbers).tolist()
    return [float(number) for number in numbers]


class _Unrolled(Function):
    """:func:`_iterate` with the gradient of its iterations, to any order."""

    @staticmethod
    def forward(
        ctx: Any, cost: Tensor, a: Tensor, b: Tensor, max_iter: int, tol: float
    ) -> tuple[Tensor, Tensor, int]:
        f, g, ctx.stretches = _iterate(cost, torch.zeros_like(b), a, b, max_iter, tol)
        ctx.save_for_backward(cost, a, b)
        return f, g, _count(ctx.stretches)

    @staticmethod
    def backward(ctx: Any, grad_f: Tensor, grad_g: Tensor, _: None) -> tuple[Tensor | None, ...]:
        differentiate: Callable[..., Tensor] = (
            _differentiate_logs if torch.is_grad_enabled() else _differentiate
        )
        with torch.autocast(grad_f.device.type, enabled=False):
            grad_cost = differentiate(*ctx.saved_tensors, ctx.stretches, grad_f, grad_g)
        return grad_cost, None, None, None, None


def _differentiate(
    cost: Tensor, a: Tensor, b: Tensor, stretches: list[_Stretch], grad_f: Tensor, grad_g: Tensor
) -> Tensor:
    r"""Run the chain rule backwards through the iterations.

    Let :math:`x_t` be the gradient with respect to :math:`f_t`, divided by the weights and multiplied by
    :math:`u_t`, and :math:`-y_t` the same of :math:`g_t` and :math:`v_t`. Then

    .. math:: x_t = u_t^2 \,(\mathrm{rows}\, y_t), \qquad y_{t-1} = v_{t-1}^2 \,(\mathrm{columns}\, x_t)

    and the cost receives the kernel times :math:`x_t v_{t-1}^T - u_t y_t^T`.
    """
    matmul = _module(stretches[0].rows).matmul
    phi, gamma = _native(grad_f / a, cost), _native(grad_g / b, cost)
    grad = torch.zeros_like(cost)  # divided by a
    for stretch in reversed(stretches):
        rows, columns = stretch.rows / stretch.a, stretch.columns / stretch.b
        us, vs = stretch.us[::-1], stretch.vs[::-1]
        y = -vs[0] * gamma
        x = us[0] * (phi + us[0] * matmul(rows, y))
        xs, ys = [], []
        for u_before, v_before in zip(us[1:], vs[1:], strict=True):
            xs.append(x)
            ys.append(y)
            y = matmul(columns, x) * v_before * v_before
            x = matmul(rows, y) * u_before * u_before
        grad += _tensor(rows * (_outer(xs, vs[1:]) - _outer(us[:-1], ys)))
        phi, gamma = 0 * x, -y
    first_rows = torch.softmax(b.log().mT - cost, -1)  # the first iteration was made in the log domain
    return a * (grad + first_rows * _tensor(x) - _tensor(rows * y.swapaxes(-1, -2)))


def _outer(left: list[Any], right: list[Any]) -> Any:
    """Sum the outer products of corresponding columns."""
    xp = _module(left[0])
    return xp.matmul(xp.concatenate(left, -1), xp.concatenate(right, -1).swapaxes(-1, -2))


def _differentiate_logs(
    cost: Tensor, a: Tensor, b: Tensor, stretches: list[_Stretch], grad_f: Tensor, grad_g: Tensor
) -> Tensor:
    """Do the same with a gradient that can itself be differentiated."""
    f = g = torch.zeros_like(b)
    for _ in range(_count(stretches)):
        f, g = _update_logs(cost, g, a, b)
    return torch.autograd.grad((f, g), cost, (grad_f, grad_g), create_graph=True)[0]
