"""The manifold losses of ARMADA, between mapped features of student and teacher."""

from typing import Literal

from torch import Tensor
from torch.nn import functional as F

from ucmkd.methods.shared.class_statistics import matched_mean

MeanDistance = Literal["euclid", "cosine"]


def mean_distance(kind: MeanDistance, student: Tensor, teacher: Tensor) -> Tensor:
    r"""Compare the means of two batches, whose rows need not correspond.

    ``euclid``: :math:`\tfrac1d \lVert \bar m_S - \bar m_T \rVert^2`; ``cosine``:
    :math:`1 - \cos(\bar m_S, \bar m_T)`.

    Parameters
    ----------
    kind : "euclid" or "cosine"
    student, teacher : Tensor, shapes (n, d) and (m, d)
    """
    own, other = student.mean(0), teacher.mean(0)
    if kind == "euclid":
        return F.mse_loss(own, other)
    return 1 - F.cosine_similarity(own, other, dim=0)


def pointwise_distance(student: Tensor, teacher: Tensor, matched: Tensor | None) -> Tensor:
    """Compare row with row: the mean squared difference, over rows that correspond.

    Parameters
    ----------
    student, teacher : Tensor, shape (n, d)
    matched : Tensor of bool, shape (n,), or None
    """
    return matched_mean((student - teacher).square().mean(1), matched)
