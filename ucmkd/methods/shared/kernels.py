"""Maximum mean discrepancy with Gaussian kernels whose widths follow the data."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ucmkd.methods.shared.membership import sums_within
from ucmkd.methods.shared.term_weight import WeightSettings


@dataclass(frozen=True, kw_only=True)
class KernelSettings(WeightSettings):
    """``bandwidths``: of the Gaussian kernels, in units of the median distance between the rows compared."""

    bandwidths: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 4.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.bandwidths or not min(self.bandwidths) > 0:
            raise ValueError(f"bandwidths is {self.bandwidths}; give one or more, all above 0")


def discrepancies(
    x: Tensor, y: Tensor, members_x: Tensor, members_y: Tensor, bandwidths: tuple[float, ...]
) -> Tensor:
    r"""Estimate the squared maximum mean discrepancy of two batches without bias, by class.

    .. math:: \frac{1}{n(n-1)} \sum_{i \ne j} k(x_i, x_j) + \frac{1}{m(m-1)} \sum_{i \ne j} k(y_i, y_j)
              - \frac{2}{nm} \sum_{ij} k(x_i, y_j),
              \quad k(x, y) = \sum_b \exp\Big(-\frac{\lVert x - y \rVert^2}{2 (b\,\sigma)^2}\Big)

    :math:`\sigma` is the median distance between two rows of the same class, of either batch, as a constant
    to the gradient. It does not depend on which batch a row comes from, so for equal distributions the
    expectation stays 0 exactly. An estimate without bias is often negative.

    Parameters
    ----------
    x, y : Tensor, shapes (n, d) and (m, d)
    members_x, members_y : Tensor, shapes (n, classes) and (m, classes)
    bandwidths : tuple of float

    Returns
    -------
    Tensor, shape (classes,)
        Without meaning, but finite, for classes of which either batch has less than two rows.

    References
    ----------
    Gretton et al., "A kernel two-sample test", JMLR 2012, equation 3; Long et al., arXiv:1502.02791, for the
    sum of kernels.
    """
    squares = _squared_distances(torch.cat([x, y]))
    same = torch.cat([members_x, members_y])
    width = _median(squares.detach(), (same @ same.mT) > 0)
    kernel = torch.stack([(squares / (-2 * b**2 * width)).exp() for b in bandwidths]).sum(0)
    kernel = kernel - torch.diag(kernel.diag())
    n, m = members_x.sum(0), members_y.sum(0)
    within_x = sums_within(kernel[: len(x), : len(x)], members_x, members_x) / (n * (n - 1)).clamp(min=1)
    within_y = sums_within(kernel[len(x) :, len(x) :], members_y, members_y) / (m * (m - 1)).clamp(min=1)
    across = sums_within(kernel[: len(x), len(x) :], members_x, members_y) / (n * m).clamp(min=1)
    return within_x + within_y - 2 * across


def _squared_distances(rows: Tensor) -> Tensor:
    """Compare every row with every other; the common offset, which moves no distance, is taken off first."""
    rows = rows - rows.detach().mean(0)
    lengths = rows.square().sum(1)
    return (lengths.unsqueeze(1) + lengths - 2 * rows @ rows.mT).clamp(min=0)


def _median(squares: Tensor, counted: Tensor) -> Tensor:
    """Take the (lower) median over the pairs that count; 1 where none does or all coincide."""
    pairs = torch.where(counted.triu(1), squares, torch.nan)
    median = pairs.flatten().nanmedian()
    return torch.where(median > 0, median, 1)
