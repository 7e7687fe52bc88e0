"""Sinkhorn's iterations: the dual of entropic transport, solved by scaling a kernel that absorbs scalings.

Everything here is in units of epsilon and stacked: costs (problems, n, m), weights and potentials
(problems, n, 1) and (problems, m, 1). A plan is ``a * exp(f + g.mT - cost) * b.mT``.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import Function

from ucmkd.transport.arrays import Array, differentiated, fixed, large, module, native, read, tensor

CHECK_EVERY = 10
MAX_LOG_SCALING = 40.0  # float32 holds exp(±87), and products of two scalings must fit
PATIENCE = 200  # iterations on a problem before it is approached by way of coarser ones, and on each of those


def potentials(cost: Array, a: Array, b: Array, max_iter: int, tol: float) -> tuple[Array, Array, int]:
    """Find both potentials and the number of iterations they took.

    Iterations start from 0 and stop when the marginals are violated by half of ``tol``, which leaves the
    other half to rounding; ``inf`` runs all ``max_iter``. If the cost requires a gradient, the potentials
    carry that of the iterations. If not, what is not solved soon is solved by way of coarser problems.
    """
    if max_iter == 1:
        return *_update_logs(cost, 0 * b, a, b), 1
    if differentiated(cost):
        return _Unrolled.apply(cost, a, b, max_iter, tol)  # type: ignore[no-any-return]
    first = max_iter if tol == math.inf else min(max_iter, PATIENCE)
    start = None if cost.max() <= MAX_LOG_SCALING else 0 * b
    f, g, stretches, iterations = _iterate(cost, start, a, b, first, tol)
    if first == max_iter or stretches[-1].violation(a) < tol / 2:
        return f, g, iterations
    f, g, further = _anneal(cost, a, b, max_iter, tol)
    return f, g, iterations + further


def _anneal(cost: Array, a: Array, b: Array, max_iter: int, tol: float) -> tuple[Array, Array, int]:
    """Halve epsilon from the largest cost down to 1, starting each time where the last two solutions point.

    If little mass has to cross a gap many epsilons wide, the potentials climb it in many small steps. At a
    coarser epsilon the gap is narrow, and the potentials change little and smoothly with epsilon.
    """
    xp = module(cost)
    scale = 2.0 ** math.ceil(math.log2(max(1.0, xp.where(xp.isinf(cost), 0, cost).max().item())))
    g, change, iterations = 0 * b, 0 * b, 0
    while True:
        limit = min(max_iter, PATIENCE) if scale > 1 else max_iter
        f, solved, _, taken = _iterate(cost / scale, (g + change) / scale, a, b, limit, tol)
        iterations += taken
        if scale == 1:
            return f, solved, iterations
        change = (scale * solved - g) / 2
        g = scale * solved
        scale /= 2


def self_potential(cost: Array, a: Array, max_iter: int, tol: float) -> tuple[Array, int]:
    """Find the one potential of a batch coupled with itself at a symmetric cost, as :func:`potentials` does.

    Averaging each update with what it updates keeps the symmetry and takes a few iterations where alternating
    takes thousands (Knight, Ruiz, Uçar, "A symmetry preserving algorithm for matrix scaling", 2014).
    """
    xp = module(cost)
    f, logs = 0 * a, xp.log(a).mT
    for iteration in range(1, max_iter + 1):
        update = -_log_sum_exp(logs + f.mT - cost, -1)
        row_sums = xp.exp(fixed(f - update))  # of the plan under f, in units of a
        if tol < math.inf and read((a * abs(row_sums - 1)).sum(-2).max())[0] < tol / 2:
            return f, iteration
        f = (f + update) / 2
    return f, max_iter


def _update_logs(cost: Array, g: Array, a: Array, b: Array, room: Array | None = None) -> tuple[Array, Array]:
    """Update both potentials once, in the log domain, where nothing overflows; in given memory, if any."""
    xp = module(cost)
    f = -_log_sum_exp(xp.subtract(xp.log(b).mT + g.mT, cost, out=room), -1)
    g = -_log_sum_exp(xp.subtract(xp.log(a) + f, cost, out=room), -2).mT
    return f, g


def _log_sum_exp(x: Array, axis: int) -> Array:
    """Do what torch's function does, in the memory of ``x`` where no gradient needs it."""
    if differentiated(x):
        return torch.logsumexp(x, axis, keepdim=True)
    xp = module(x)
    largest = xp.amax(x, axis=axis, keepdims=True)
    x -= largest
    return xp.log(xp.exp(x, out=x).sum(axis, keepdims=True)) + largest


@dataclass(frozen=True)
class _Stretch:
    """Iterations ``u = a / (rows @ v)``, ``v = b / (columns @ u)`` from 1, between two absorptions.

    Small matrices: ``rows`` is the law of y given x under the absorbed potentials, up to a factor for ``u``
    to correct, ``columns`` that of x given y, and ``a`` and ``b`` are 1. Large ones: ``rows`` is the plan
    under the absorbed potentials, ``columns`` the same memory seen the other way, and ``a`` and ``b`` are the
    weights.
    """

    rows: Array
    columns: Array
    a: Array
    b: Array
    us: list[Array]
    vs: list[Array]

    def run(self, iterations: int) -> None:
        matmul = module(self.rows).matmul
        v = self.vs[-1]
        for _ in range(iterations):
            u = self.a / matmul(self.rows, v)
            v = self.b / matmul(self.columns, u)
            self.us.append(u)
            self.vs.append(v)

    def violation(self, a: Array) -> Array:
        """Measure how far the rows missed their weights, in the worst problem, before the last update."""
        return (a * abs(self.us[-2] / self.us[-1] - 1)).sum(-2).max()

    def move(self, f: Array, g: Array) -> tuple[Array, Array]:
        """Take the potentials from where this stretch begins to where it ends."""
        log = module(f).log
        return f + log(self.us[-1]), g + log(self.vs[-1])


def _absorb(cost: Array, f: Array, g: Array, a: Array, b: Array, room: Array | None = None) -> _Stretch:
    xp = module(cost)
    density = xp.add(f, g.mT, out=room)
    density -= cost
    xp.exp(density, out=density)
    u, v = xp.ones_like(f), xp.ones_like(g)
    if large(cost):
        density *= a
        density *= b.mT
        return _Stretch(density, density.mT, a, b, [u], [v])
    columns = _contiguous((a * density).mT)
    density *= b.mT
    return _Stretch(density, columns, u, v, [u], [v])


def _contiguous(x: Array) -> Array:
    return x.contiguous() if isinstance(x, Tensor) else np.ascontiguousarray(x)


def _iterate(
    cost: Array, start: Array | None, a: Array, b: Array, max_iter: int, tol: float
) -> tuple[Array, Array, list[_Stretch], int]:
    """Repeat :func:`_update_logs` by scalings, ``u = exp(f - absorbed f)`` and ``v``, to given marginals.

    The first update is made in the log domain, or, from no start, by scalings as well, which then must hold
    the largest cost. An update never moves the log-scalings further than the one before did (the map is
    non-expansive), and right after an absorption ``u = 1`` is answered by ``v = 1``. So, when the last update
    moved ``log u`` by at most a step, ten more leave both log-scalings within ten steps of the largest
    ``log u`` now.
    """
    room = module(cost).empty_like(cost) if large(cost) else None  # a fresh matrix costs as much as an exp
    f, g = (0 * a, 0 * b) if start is None else _update_logs(cost, start, a, b, room)
    stretches = [_absorb(cost, f, g, a, b, room)]
    iterations, length = (0, 2) if start is None else (1, 1)
    while iterations < max_iter:
        stretch, length = stretches[-1], min(length, max_iter - iterations)
        stretch.run(length)
        iterations += length
        before, u = stretch.us[-2:]
        violation, moved, scaling = read(stretch.violation(a), _largest_log(before / u), _largest_log(u))
        if violation < tol / 2 < math.inf:
            break
        drift = CHECK_EVERY * moved
        if iterations < max_iter and scaling + drift > MAX_LOG_SCALING:
            f, g = stretch.move(f, g)
            stretches.append(_absorb(cost, f, g, a, b))
        length = CHECK_EVERY if drift <= MAX_LOG_SCALING else 1
    return *stretches[-1].move(f, g), stretches, iterations


def _largest_log(x: Array) -> Array:
    return abs(module(x).log(x)).max()


class _Unrolled(Function):
    """:func:`_iterate` with the gradient of its iterations, to any order."""

    @staticmethod
    def forward(
        ctx: Any, cost: Tensor, a: Tensor, b: Tensor, max_iter: int, tol: float
    ) -> tuple[Tensor, Tensor, int]:
        costs, rows, columns = (native(x, math.prod(cost.shape[-2:])) for x in (cost, a, b))
        f, g, ctx.stretches, iterations = _iterate(costs, 0 * columns, rows, columns, max_iter, tol)
        ctx.save_for_backward(cost, a, b)
        return tensor(f), tensor(g), iterations

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
    matmul = module(stretches[0].rows).matmul
    phi, gamma = (native(x, math.prod(cost.shape[-2:])) for x in (grad_f / a, grad_g / b))
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
        grad += tensor(rows * (_outer(xs, vs[1:]) - _outer(us[:-1], ys)))
        phi, gamma = 0 * x, -y
    first_rows = torch.softmax(b.log().mT - cost, -1)  # the first iteration was made in the log domain
    return a * (grad + first_rows * tensor(x) - tensor(rows * y.swapaxes(-1, -2)))


def _outer(left: list[Any], right: list[Any]) -> Any:
    """Sum the outer products of corresponding columns."""
    xp = module(left[0])
    return xp.matmul(xp.concatenate(left, -1), xp.concatenate(right, -1).swapaxes(-1, -2))


def _differentiate_logs(
    cost: Tensor, a: Tensor, b: Tensor, stretches: list[_Stretch], grad_f: Tensor, grad_g: Tensor
) -> Tensor:
    """Do the same with a gradient that can itself be differentiated."""
    f = g = torch.zeros_like(b)
    for _ in range(1 + sum(len(stretch.us) - 1 for stretch in stretches)):
        f, g = _update_logs(cost, g, a, b)
    return torch.autograd.grad((f, g), cost, (grad_f, grad_g), create_graph=True)[0]
