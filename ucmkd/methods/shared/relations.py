"""Relations between the rows of one batch, compared between two feature spaces.

Only rows that correspond take part: all others are masked out of every matrix. Each relation depends on inner
products or distances within one space alone, so either space may be rotated without any change.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from ucmkd.methods.shared.class_statistics import matched_mean

TINY = 1e-12


def pairs_of(matched: Tensor) -> Tensor:
    """Tell which ordered pairs consist of two different rows that both correspond.

    Parameters
    ----------
    matched : Tensor of bool, shape (n,)

    Returns
    -------
    Tensor of bool, shape (n, n)
    """
    same = torch.eye(len(matched), dtype=torch.bool, device=matched.device)
    return matched.unsqueeze(0) & matched.unsqueeze(1) & ~same


def similarity_loss(student: Tensor, teacher: Tensor, matched: Tensor) -> Tensor:
    r"""Compare Gram matrices: :math:`\lVert\hat G^S - \hat G^T\rVert_F^2 / n^2`, rows of unit length.

    Parameters
    ----------
    student, teacher : Tensor, shapes (n, d) and (n, e)
    matched : Tensor of bool, shape (n,)
        In the formula n is the number of these rows.

    References
    ----------
    Tung, Mori, "Similarity-preserving knowledge distillation", ICCV 2019.
    """

    def gram(features: Tensor) -> Tensor:
        kept = features * matched.unsqueeze(1)
        return F.normalize(kept @ kept.T, dim=1)

    return (gram(student) - gram(teacher)).square().sum() / matched.sum().clamp(min=1) ** 2


def distance_loss(student: Tensor, teacher: Tensor, matched: Tensor) -> Tensor:
    """Compare Euclidean distances between rows, in units of their mean; Huber loss, mean over the pairs.

    Parameters
    ----------
    student, teacher : Tensor, shapes (n, d) and (n, e)
    matched : Tensor of bool, shape (n,)

    References
    ----------
    Park, Kim, Lu, Cho, "Relational knowledge distillation", CVPR 2019 (arXiv:1904.05068).
    """
    pairs = pairs_of(matched)

    def relative(features: Tensor) -> Tensor:
        distances: Tensor = torch.linalg.vector_norm(_differences(features), dim=2)
        return distances / matched_mean(distances, pairs).clamp(min=TINY)

    return matched_mean(F.smooth_l1_loss(relative(student), relative(teacher), reduction="none"), pairs)


def angle_loss(student: Tensor, teacher: Tensor, matched: Tensor) -> Tensor:
    """Compare the cosines of the angles of all triplets of different rows; Huber loss, mean over them.

    Takes memory of order n cubed.

    Parameters
    ----------
    student, teacher : Tensor, shapes (n, d) and (n, e)
    matched : Tensor of bool, shape (n,)

    References
    ----------
    Park, Kim, Lu, Cho, "Relational knowledge distillation", CVPR 2019 (arXiv:1904.05068).
    """
    pairs = pairs_of(matched)
    triplets = pairs.unsqueeze(2) & pairs.unsqueeze(1) & pairs.unsqueeze(0)

    def cosines(features: Tensor) -> Tensor:
        directions = F.normalize(_differences(features), dim=2)
        return directions @ directions.mT

    return matched_mean(F.smooth_l1_loss(cosines(student), cosines(teacher), reduction="none"), triplets)


def neighbour_divergence(student: Tensor, teacher: Tensor, matched: Tensor) -> Tensor:
    r"""Compare who is near whom: :math:`\tfrac1{n^2} \sum_i KL(p_{\cdot|i} \| q_{\cdot|i})`.

    :math:`p_{j|i}` is :math:`(\cos(z_i, z_j) + 1) / 2`, divided by its sum over :math:`j \neq i`, of the
    teacher's features; :math:`q` is the same of the student's.

    Parameters
    ----------
    student, teacher : Tensor, shapes (n, d) and (n, e)
    matched : Tensor of bool, shape (n,)
        In the formula n is the number of these rows.

    References
    ----------
    Passalis, Tefas, "Learning deep representations with probabilistic knowledge transfer", ECCV 2018.
    """
    pairs = pairs_of(matched)

    def neighbours(features: Tensor) -> Tensor:
        unit = F.normalize(features, dim=1)
        kernel = (unit @ unit.T + 1) / 2 * pairs
        return kernel / kernel.sum(1, keepdim=True).clamp(min=TINY)

    p, q = neighbours(teacher), neighbours(student)
    divergence = p * (p.clamp(min=TINY).log() - q.clamp(min=TINY).log())
    return divergence.sum() / matched.sum().clamp(min=1) ** 2


def _differences(features: Tensor) -> Tensor:
    """Row i minus row j at [j, i]; shape (n, n, d)."""
    return features.unsqueeze(0) - features.unsqueeze(1)
