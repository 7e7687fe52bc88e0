"""Pearson correlation of corresponding vectors, defined everywhere."""

import torch
from torch import Tensor

LEAST_PRODUCT = 1e-8


def pearson(x: Tensor, y: Tensor, dim: int, counted: Tensor | None = None) -> Tensor:
    r"""Correlate two matrices along a dimension.

    Parameters
    ----------
    x, y : Tensor, shape (n, m)
    dim : int
    counted : Tensor of bool, broadcastable to (n, m), or None
        Which entries count.

    Returns
    -------
    Tensor, shape (m,) for dim 0, (n,) for dim 1
        :math:`\langle x_c, y_c\rangle / \max(\lVert x_c\rVert \lVert y_c\rVert, 10^{-8})` of the centred
        vectors: 0 with gradient 0 where one of them is constant.
    """
    weights = torch.ones_like(x) if counted is None else counted.to(x.dtype).expand_as(x)
    count = weights.sum(dim, keepdim=True).clamp(min=1)
    x, y = (_centred(values, weights, count, dim) for values in (x, y))
    product = torch.linalg.vector_norm(x, dim=dim) * torch.linalg.vector_norm(y, dim=dim)
    correlation: Tensor = (x * y).sum(dim) / product.clamp(min=LEAST_PRODUCT)
    return correlation


def _centred(values: Tensor, weights: Tensor, count: Tensor, dim: int) -> Tensor:
    return weights * (values - (weights * values).sum(dim, keepdim=True) / count)
