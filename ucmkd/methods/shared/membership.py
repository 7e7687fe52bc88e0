"""Which rows of a batch belong to which class, as matrices, so that all classes are treated at once."""

import torch
from torch import Tensor
from torch.nn import functional as F


def members(labels: Tensor, classes: int) -> Tensor:
    """Mark the class of each row; shape (n, classes), 1 where a row belongs and 0 elsewhere."""
    return F.one_hot(labels, classes).to(torch.float32)


def everybody(features: Tensor) -> Tensor:
    """Put all rows in a single class; shape (n, 1)."""
    return features.new_ones(len(features), 1)


def comparable(members_x: Tensor, members_y: Tensor) -> Tensor:
    """Tell of which classes both batches have two rows or more, as second moments need; shape (classes,)."""
    return (members_x.sum(0) >= 2) & (members_y.sum(0) >= 2)


def sums_within(matrix: Tensor, members_x: Tensor, members_y: Tensor) -> Tensor:
    """Sum the entries of a matrix (n, m) whose row and column belong to the same class, by class.

    Parameters
    ----------
    matrix : Tensor, shape (n, m)
    members_x, members_y : Tensor, shapes (n, classes) and (m, classes)

    Returns
    -------
    Tensor, shape (classes,)
    """
    return (members_x * (matrix @ members_y)).sum(0)
