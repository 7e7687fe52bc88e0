"""Costs of moving one feature vector onto another, in float32 or better, with finite gradients everywhere."""

import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import Function

from ucmkd.errors import TransportError
from ucmkd.transport.arrays import (
    Array,
    alike,
    differentiated,
    fixed,
    full_precision,
    module,
    native,
    product,
    tensor,
)

Metric = Literal["l1", "l2", "cosine", "chordal", "angular"]


def feature_cost(x: Tensor, y: Tensor, metric: Metric) -> Tensor:
    r"""Compare every row of one batch with every row of another.

    ``l1`` is :math:`\sum_k |x_k - y_k|` and ``l2`` is :math:`\lVert x - y \rVert` (not squared). The others
    see directions only: ``cosine`` is :math:`1 - \cos`, ``chordal`` is :math:`\sqrt{2 - 2 \cos}` and
    ``angular`` is :math:`\arccos \cos`, in radians.

    Parameters
    ----------
    x, y : Tensor, shapes (..., n, d) and (..., m, d)
        Of any floating type; half precision is raised to float32 and autocast is set aside.
    metric : "l1", "l2", "cosine", "chordal" or "angular"

    Returns
    -------
    Tensor, shape (..., n, m)
        Never negative. Where a distance has a kink (equal points, opposite directions) its gradient is 0. A
        zero vector has no direction: it counts as orthogonal to everything and gets gradient 0 from the
        last three costs.

    Raises
    ------
    TransportError
        If the metric is unknown or the widths differ.
    """
    if metric not in _COSTS:
        raise TransportError(f"metric '{metric}' is unknown; known: {', '.join(_COSTS)}")
    if x.shape[-1] != y.shape[-1]:
        raise TransportError(
            f"features of widths {x.shape[-1]} and {y.shape[-1]} cannot be compared; project one of them"
        )
    with full_precision(x):
        dtype = torch.promote_types(torch.promote_types(x.dtype, y.dtype), torch.float32)
        points: list[Array] = [x.to(dtype), y.to(dtype)]
        if not any(map(differentiated, points)):
            points = [native(each, x.shape[-2] * y.shape[-2]) for each in points]
        return tensor(_COSTS[metric](*points))


def with_label_cost(cost: Tensor, labels_x: Tensor, labels_y: Tensor, weight: float) -> Tensor:
    """Add a weight to the cost of every pair whose labels differ.

    Parameters
    ----------
    cost : Tensor, shape (..., n, m)
    labels_x, labels_y : Tensor of int, shapes (..., n) and (..., m)
        A hidden label, -1, differs from no other.
    weight : float
        In units of the cost; ``inf`` allows transport within a class only.

    Returns
    -------
    Tensor, shape (..., n, m)

    References
    ----------
    Courty et al., "Joint distribution optimal transportation for domain adaptation", NeurIPS 2017;
    Damodaran et al., "DeepJDOT", ECCV 2018.
    """
    rows, columns = labels_x.unsqueeze(-1), labels_y.unsqueeze(-2)
    differs = (rows != columns) & (rows >= 0) & (columns >= 0)
    return torch.where(differs, cost + weight, cost)


def _l1(x: Array, y: Array) -> Array:
    return abs(x[..., None, :] - y[..., None, :, :]).sum(-1)


def _l2(x: Array, y: Array) -> Array:
    if not (differentiated(x) or differentiated(y)):
        return _distances(*_centred(x, y))
    if x.shape[:-2] != y.shape[:-2]:
        problems = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
        x, y = x.expand(*problems, *x.shape[-2:]), y.expand(*problems, *y.shape[-2:])
    return _Distances.apply(x, y)


class _Distances(Function):
    """Euclidean distances, and gradient 0 where they are 0."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
        entries = x.shape[-2] * y.shape[-2]
        ctx.centred = _centred(native(x, entries), native(y, entries))
        distances = tensor(_distances(*ctx.centred))
        ctx.save_for_backward(x, y, distances)
        return distances

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, y, distances = ctx.saved_tensors
        if torch.is_grad_enabled():
            xs, ys = _centred(x, y)
        else:
            xs, ys = ctx.centred
            distances, gradient = (alike(value.detach(), xs) for value in (distances, gradient))
        pull = gradient / module(distances).where(distances == 0, math.inf, distances)
        of_x, of_y = ctx.needs_input_grad
        return _moved(xs, pull, ys) if of_x else None, _moved(ys, pull.mT, xs) if of_y else None


def _centred(x: Array, y: Array) -> tuple[Array, Array]:
    """Take off a centre, which moves no distance but keeps large offsets from cancelling digits."""
    centre = fixed(y).sum(-2, keepdims=True) / y.shape[-2]
    return x - centre, y - centre


def _distances(x: Array, y: Array) -> Array:
    xp = module(x)
    squares = (x * x).sum(-1, keepdims=True) + (y * y).sum(-1, keepdims=True).mT
    products = product(x, y.mT)
    products *= 2
    squares -= products
    return xp.sqrt(xp.clip(squares, 0, None, out=squares), out=squares)


def _moved(points: Array, pull: Array, others: Array) -> Tensor:
    """Add up how others pull at points, away from each."""
    return tensor(points * pull.sum(-1, keepdims=True) - product(pull, others))


def _cosine(x: Array, y: Array) -> Array:
    return (1 - _cos(x, y)).clip(0)


def _chordal(x: Array, y: Array) -> Array:
    return _root(2 - 2 * _cos(x, y))


def _angular(x: Array, y: Array) -> Array:
    cos = _cos(x, y)
    return 2 * module(cos).arctan2(_root(1 - cos), _root(1 + cos))


def _cos(x: Array, y: Array) -> Array:
    return product(_unit(x), _unit(y).mT)


def _unit(x: Array) -> Array:
    squares = (x * x).sum(-1, keepdims=True)
    where, none = module(x).where, squares == 0
    return x * where(none, 0, 1 / where(none, 1, squares) ** 0.5)


def _root(squares: Array) -> Array:
    where, none = module(squares).where, squares <= 0
    return where(none, 0, where(none, 1, squares) ** 0.5)


_COSTS: dict[str, Callable[[Array, Array], Array]] = {
    "l1": _l1,
    "l2": _l2,
    "cosine": _cosine,
    "chordal": _chordal,
    "angular": _angular,
}
