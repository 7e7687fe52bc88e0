"""Paired statistics of many comparisons at once: row i of an array holds the differences of comparison i."""

from functools import cache, lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri
from scipy.stats import nct, rankdata, studentized_range, t

from ucmkd.seeding import generator_for

Array = NDArray[np.float64]

RESAMPLES = 10_000
LEVEL = 0.95
SIMULATED = 4000
_ROWS_AT_ONCE = 32
_INSIDE = 0.2
"""How far inside of where a quantile is expected values are looked at, in standard errors."""


def resample_indices(n: int, resamples: int = RESAMPLES) -> NDArray[np.intp]:
    """Draw which of ``n`` seeds stand in each bootstrap resample; the same for every comparison and run.

    Returns
    -------
    array of int, shape (resamples, n)
    """
    drawn: NDArray[np.intp] = generator_for(0, "bootstrap", n).integers(0, n, (resamples, n))
    return drawn


def bca_intervals(differences: Array, indices: NDArray[np.intp]) -> Array:
    """Bound the mean of each row by the bias-corrected and accelerated bootstrap, at 95 %.

    Parameters
    ----------
    differences : array, shape (comparisons, n), n at least 2
    indices : array of int, shape (resamples, n)
        From ``resample_indices``.

    Returns
    -------
    array, shape (comparisons, 2)
        Lower and upper bound. Where all differences are equal the bootstrap knows no other value, and the
        interval is that point.

    References
    ----------
    Efron, "Better bootstrap confidence intervals", JASA 1987.
    """
    n = indices.shape[1]
    weights = np.stack([(indices == column).sum(axis=1) for column in range(n)]) / n
    memory = _Memory(n, len(indices))
    starts = range(0, len(differences), _ROWS_AT_ONCE)
    chunks = [_bca(differences[start : start + _ROWS_AT_ONCE], weights, memory) for start in starts]
    return np.concatenate(chunks) if chunks else np.empty((0, 2))


@cache
def coverage(n: int) -> float:
    """Simulate how often the interval of ``n`` normal differences, at least 2, contains their true mean.

    The bootstrap knows no other values than the few that were seen, so its intervals are too narrow.

    Returns
    -------
    float
        A share of 4,000 intervals, so with a standard error of half a percent.
    """
    samples = generator_for(0, "coverage", n).standard_normal((SIMULATED, n))
    low, high = bca_intervals(samples, resample_indices(n)).T
    return float(np.mean((low <= 0) & (high >= 0)))


class _Memory:
    """Room for a chunk of comparisons, small enough for the processor's cache.

    Chunks that are not full are computed as full ones are, since products of other shapes round differently.
    """

    def __init__(self, n: int, resamples: int) -> None:
        self.rows = np.zeros((_ROWS_AT_ONCE, n))
        self.resampled = np.empty((_ROWS_AT_ONCE, resamples))
        self.masks = np.empty((2, _ROWS_AT_ONCE, resamples), dtype=bool)


def _bca(rows: Array, weights: Array, memory: _Memory) -> Array:
    memory.rows[: len(rows)] = rows
    np.matmul(memory.rows, weights, out=memory.resampled)
    resampled, masks = memory.resampled[: len(rows)], memory.masks[:, : len(rows)]
    point = rows.mean(axis=1, keepdims=True)
    # The same mean summed in another order differs in its last bits, and must still count as equal.
    slack = 1e-12 * np.abs(rows).max(axis=1, keepdims=True)
    np.less(resampled, point - slack, out=masks[0])
    np.less_equal(resampled, point + slack, out=masks[1])
    bias = ndtri((_counts(masks[0]) + _counts(masks[1])) / weights.shape[1] / 2)[:, None]
    deviation = rows - point
    spread = (deviation**2).sum(axis=1, keepdims=True)
    flat = np.ptp(rows, axis=1, keepdims=True) <= slack
    acceleration = (deviation**3).sum(axis=1, keepdims=True) / (6 * np.where(flat, 1, spread) ** 1.5)
    shifted = bias + ndtri([(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    corrected = bias + shifted / (1 - acceleration * shifted)
    # Cornish and Fisher's expansion says about where these quantiles are.
    inside = corrected + acceleration * (corrected**2 - 1) + [_INSIDE, -_INSIDE]
    cuts = point + inside * np.sqrt(spread) / rows.shape[1]
    return np.where(flat, point, _quantiles(resampled, ndtr(corrected), cuts, masks))


def _quantiles(values: Array, levels: Array, cuts: Array, masks: NDArray[np.bool_]) -> Array:
    """Interpolate each row's own two quantiles linearly; the row's two cuts lie a little inside of them.

    What lies beyond the cuts is put in order; the whole row, which takes longer, if that misses a place.
    """
    size = values.shape[1]
    place = levels * (size - 1)
    whole = np.minimum(place.astype(np.intp), size - 2)
    places = np.stack([whole, whole + 1], axis=2).reshape(-1, 4)
    tails, ends = _tails(values, cuts, masks)
    # Upper places are counted from the end, where they are the same in the tails as in the whole row.
    at = places + np.stack([ends[:-1], ends[:-1], ends[1:] - size, ends[1:] - size], axis=1)
    within = (at[:, 1] < ends[1:]) & (at[:, 2] >= ends[:-1])
    near = tails.take(at, mode="clip") if len(tails) else np.full(at.shape, np.nan)
    within &= (near[:, 1] <= cuts[:, 0]) & (near[:, 2] >= cuts[:, 1])
    for row in np.flatnonzero(~within):
        near[row] = np.sort(values[row])[places[row]]
    lower, upper = near[:, ::2], near[:, 1::2]
    bounds: Array = lower + (place - whole) * (upper - lower)
    return bounds


def _tails(values: Array, cuts: Array, masks: NDArray[np.bool_]) -> tuple[Array, NDArray[np.intp]]:
    """Put in order what lies beyond each row's two cuts; give all rows', and between which ends each lies."""
    np.less_equal(values, cuts[:, :1], out=masks[0])
    np.greater_equal(values, cuts[:, 1:], out=masks[1])
    beyond = np.logical_or(masks[0], masks[1], out=masks[0])
    tails = values.ravel().take(np.flatnonzero(beyond))
    ends = np.cumsum([0, *_counts(beyond)])
    for start, end in pairwise(ends):
        tails[start:end].sort()
    return tails, ends


def _counts(mask: NDArray[np.bool_]) -> NDArray[np.intp]:
    return np.array([np.count_nonzero(row) for row in mask])


def signed_rank_p(differences: Array) -> Array:
    """Test by Wilcoxon's signed-rank test, exactly and on both sides, that each row is symmetric about 0.

    Zeros are dropped and ties share their mean rank. The null distribution is that of all sign patterns of
    the ranks at hand, so it is exact with ties too, which are common among accuracies on a small test split;
    ``scipy.stats.wilcoxon(method="exact")`` is exact only without. A row of zeros gives 1.

    Parameters
    ----------
    differences : array, shape (comparisons, n)

    Returns
    -------
    array, shape (comparisons,)

    References
    ----------
    Wilcoxon, "Individual comparisons by ranking methods", Biometrics Bulletin 1945.
    """
    zeros = differences == 0
    ranks: Array = rankdata(np.abs(differences), axis=1) - zeros.sum(axis=1, keepdims=True)
    doubled = np.where(zeros, 0, 2 * ranks).astype(np.int64)
    statistic = np.where(differences > 0, doubled, 0).sum(axis=1)
    patterns = [tuple(ranks) for ranks in np.sort(doubled, axis=1).tolist()]
    tails = {pattern: _two_sided(pattern) for pattern in set(patterns)}
    return np.array([tails[ranks][k] for ranks, k in zip(patterns, statistic, strict=True)], dtype=np.float64)


@lru_cache(maxsize=4096)
def _two_sided(ranks: tuple[int, ...]) -> Array:
    """Give the two-sided p-value of every sum that signs of these integer ranks can make."""
    chance = np.ones(1)
    for rank in ranks:
        before, chance = chance / 2, np.zeros(len(chance) + rank)
        chance[: len(before)] = before
        chance[rank:] += before
    tails = np.minimum(np.cumsum(chance), np.cumsum(chance[::-1])[::-1])
    p_values: Array = np.minimum(2 * tails, 1.0)
    return p_values


def smallest_p(n: int) -> float:
    """Give the least two-sided p-value that the signed-rank test can reach with ``n`` differences."""
    return min(1.0, 2.0 ** (1 - n))


def holm(p_values: Array) -> Array:
    """Adjust the p-values (k,) of one family for being many; empty entries (NaN) are no part of it.

    References
    ----------
    Holm, "A simple sequentially rejective multiple test procedure", Scandinavian J. of Statistics 1979.
    """
    adjusted = np.full(len(p_values), np.nan)
    order = np.argsort(p_values, kind="stable")[: np.count_nonzero(~np.isnan(p_values))]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(p_values[order] * factors), 1.0)
    return adjusted


@cache
def detectable_effect(n: int, power: float = 0.8, alpha: float = 0.05) -> float:
    """Give the least mean difference that a two-sided paired t-test of ``n`` pairs finds with this power.

    The chance to find the opposite sign, below one in a million at this power, is left out.

    Returns
    -------
    float
        In units of the standard deviation of the differences, from the noncentral t distribution.

    References
    ----------
    Cohen, "Statistical power analysis for the behavioral sciences", 1988.
    """
    critical = t.ppf(1 - alpha / 2, n - 1)

    def missing(effect: float) -> float:
        return float(nct.sf(critical, n - 1, effect * np.sqrt(n)) - power)

    return float(brentq(missing, 0, 100))


def mean_ranks(scores: Array) -> Array:
    """Average each method's rank over blocks, 1 for the best.

    Parameters
    ----------
    scores : array, shape (blocks, methods)
        Greater is better; ties share their mean rank.
    """
    ranks: Array = rankdata(-scores, axis=1).mean(axis=0)
    return ranks


def critical_difference(methods: int, blocks: int, alpha: float = 0.05) -> float:
    """Give the least difference of mean ranks that the Nemenyi test calls significant.

    References
    ----------
    Demšar, "Statistical comparisons of classifiers over multiple data sets", JMLR 2006.
    """
    quantile = studentized_range.ppf(1 - alpha, methods, np.inf) / np.sqrt(2)
    return float(quantile * np.sqrt(methods * (methods + 1) / (6 * blocks)))
