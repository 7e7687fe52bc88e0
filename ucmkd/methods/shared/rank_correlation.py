"""Kendall's rank correlation, row by row."""

from torch import Tensor


def kendall_tau(one: Tensor, other: Tensor) -> Tensor:
    r"""Correlate the orders in which two rows put their entries, counting ties as tau-b does.

    .. math:: \tau_b = \frac{\sum_{k<l} \mathrm{sgn}(u_k-u_l)\,\mathrm{sgn}(v_k-v_l)}
        {\sqrt{\sum_{k<l} \mathrm{sgn}^2(u_k-u_l) \sum_{k<l} \mathrm{sgn}^2(v_k-v_l)}}

    Parameters
    ----------
    one, other : Tensor, shape (n, k)

    Returns
    -------
    Tensor of float64, shape (n,)
        In [-1, 1]; NaN where a row holds one value only. Without gradient.

    References
    ----------
    Kendall, "The treatment of ties in ranking problems", Biometrika 33, 1945.
    """
    first, second = _signs(one), _signs(other)
    agreement = (first * second).sum((1, 2)).double()
    untied = first.square().sum((1, 2)).double() * second.square().sum((1, 2)).double()
    return agreement / untied.sqrt()


def _signs(rows: Tensor) -> Tensor:
    """Tell which of two entries is larger, for all of them, both ways round; shape (n, k, k)."""
    given = rows.detach()
    return (given.unsqueeze(2) - given.unsqueeze(1)).sign()
