"""Second moments of the features of a class: covariances, and diagonal Gaussians."""

import torch
from torch import Tensor

from ucmkd.methods.shared.class_statistics import class_means
from ucmkd.methods.shared.membership import sums_within


def covariance_gaps(x: Tensor, y: Tensor, members_x: Tensor, members_y: Tensor) -> Tensor:
    r"""Compare the covariances of two batches by class: :math:`\lVert C_x - C_y \rVert_F^2`.

    No covariance is built: :math:`\langle C_x, C_y \rangle_F` is the mean of the squared inner products
    of centred rows, whose cost does not grow with the number of classes.

    Parameters
    ----------
    x, y : Tensor, shapes (n, d) and (m, d)
    members_x, members_y : Tensor, shapes (n, classes) and (m, classes)

    Returns
    -------
    Tensor, shape (classes,)
        Without meaning, but finite, for classes of which either batch has less than two rows.
    """
    x, y = _centred(x, members_x), _centred(y, members_y)
    n, m = ((rows.sum(0) - 1).clamp(min=1) for rows in (members_x, members_y))
    own_x = sums_within((x @ x.mT).square(), members_x, members_x) / n.square()
    own_y = sums_within((y @ y.mT).square(), members_y, members_y) / m.square()
    return own_x + own_y - 2 * sums_within((x @ y.mT).square(), members_x, members_y) / (n * m)


def _centred(rows: Tensor, members: Tensor) -> Tensor:
    means = members.mT @ rows / members.sum(0).clamp(min=1).unsqueeze(1)
    return rows - members @ means


def class_gaussians(
    features: Tensor, labels: Tensor, classes: int, shrinkage: float
) -> tuple[Tensor, Tensor]:
    """Fit a diagonal Gaussian to each class.

    Parameters
    ----------
    features : Tensor, shape (n, d)
    labels : Tensor, shape (n,)
    classes : int
    shrinkage : float
        How many rows the variance within classes, pooled over all classes, counts as in that of each.

    Returns
    -------
    Tensor, shape (classes, d)
        Means; 0 for a class without a row.
    Tensor, shape (classes, d)
        Variances, with one degree of freedom less than rows.
    """
    means = class_means(features, labels, classes)
    counts = torch.bincount(labels, minlength=classes).unsqueeze(1)
    scatter = class_means((features - means[labels]).square(), labels, classes) * counts
    freedom = (counts - 1).clamp(min=0)
    pooled = scatter.sum(0) / freedom.sum().clamp(min=1)
    variances = (scatter + shrinkage * pooled) / (freedom + shrinkage).clamp(min=1e-12)
    return means, variances


def gaussian_kl(mean: Tensor, variance: Tensor, reference_mean: Tensor, reference_variance: Tensor) -> Tensor:
    r"""Give :math:`KL(N \| N_{ref})` of diagonal Gaussians, entry by entry; all variances above 0."""
    ratio = variance / reference_variance
    return 0.5 * ((mean - reference_mean).square() / reference_variance + ratio - 1 - ratio.log())
