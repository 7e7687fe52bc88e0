"""Optimal transport within classes, made well posed for batches whose classes differ."""

import math

import torch
from torch import Tensor

from ucmkd.transport.cost import Metric, feature_cost, with_label_cost
from ucmkd.transport.divergence import TransportLoss
from ucmkd.transport.sinkhorn import RegMode, entropic_coupling


def class_transport(
    x: Tensor, y: Tensor, labels_x: Tensor, labels_y: Tensor, *, metric: Metric, reg: float, reg_mode: RegMode
) -> TransportLoss | None:
    r"""Transport one batch onto the other where moving from class to class is forbidden.

    With uniform weights no plan exists as soon as a class has different shares of the two batches. So rows
    of classes that only one batch has are left out; the others of ``x`` weigh the same, and those of ``y``
    weigh what gives each class the share that it has in ``x``. The value is then the mean over the rows of
    ``x`` of what their own class costs, :math:`\sum_k \tfrac{n_k}{n} \langle P_k, C_k \rangle`.

    Parameters
    ----------
    x, y : Tensor, shapes (n, d) and (m, d)
    labels_x, labels_y : Tensor, shapes (n,) and (m,)
    metric : see :func:`feature_cost`
    reg, reg_mode : see :func:`entropic_coupling`

    Returns
    -------
    TransportLoss or None
        None if the batches have no class in common.

    References
    ----------
    Courty et al., "Optimal transport for domain adaptation", TPAMI 2017, with labels on both sides.
    """
    here, there = torch.isin(labels_x, labels_y), torch.isin(labels_y, labels_x)
    x, labels_x, y, labels_y = x[here], labels_x[here], y[there], labels_y[there]
    if len(x) == 0:
        return None
    same = labels_y.unsqueeze(1) == labels_x
    weights = same.sum(1) / (labels_y.unsqueeze(1) == labels_y).sum(1) / len(x)
    cost = with_label_cost(feature_cost(x, y, metric), labels_x, labels_y, math.inf)
    coupling = entropic_coupling(cost, reg, reg_mode=reg_mode, b=weights)
    value = (coupling.plan * cost.masked_fill(cost.isinf(), 0)).sum()
    return TransportLoss(value, coupling.iterations, coupling.sharpness)
