from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ucmkd.evaluation import statistics


def mean_with_exact_ties(sample, axis):
    """Round off what the order of a sum changes, which scipy would take for a difference."""
    return np.round(np.mean(sample, axis=axis), 13)


@pytest.mark.parametrize("n", [3, 5, 10, 40])
@pytest.mark.parametrize("shape", ["normal", "skewed"])
def test_bca_agrees_with_scipy_on_the_same_resamples(n, shape):
    draw = np.random.default_rng(n)
    rows = draw.normal(size=(4, n)) if shape == "normal" else draw.exponential(size=(4, n))
    intervals = statistics.bca_intervals(rows, np.random.default_rng(7).integers(0, n, (2000, n)))
    for row, interval in zip(rows, intervals, strict=True):
        expected = stats.bootstrap(
            (row,), mean_with_exact_ties, n_resamples=2000, method="BCa", rng=np.random.default_rng(7)
        ).confidence_interval
        assert interval == pytest.approx(tuple(expected), rel=1e-9)


def test_bca_of_many_rows_is_that_of_each():
    rows = np.random.default_rng(0).normal(size=(300, 6))
    indices = statistics.resample_indices(6, 500)
    together = statistics.bca_intervals(rows, indices)
    assert together[[0, 150, 299]] == pytest.approx(statistics.bca_intervals(rows[[0, 150, 299]], indices))


@given(st.lists(st.integers(-30, 30), min_size=2, max_size=12).filter(lambda values: len(set(values)) > 1))
def test_bca_takes_quantiles_of_all_resamples(values):
    """Ties, few seeds and outliers too, where the tails are not where they are expected."""
    row = np.array(values) / 360
    indices = statistics.resample_indices(len(row), 1000)
    means, deviation = np.round(row[indices].mean(axis=1), 12), row - row.mean()
    point = np.round(row.mean(), 12)
    bias = stats.norm.ppf((np.mean(means < point) + np.mean(means <= point)) / 2)
    acceleration = np.sum(deviation**3) / (6 * np.sum(deviation**2) ** 1.5)
    shifted = bias + stats.norm.ppf([0.025, 0.975])
    levels = stats.norm.cdf(bias + shifted / (1 - acceleration * shifted))
    expected = np.quantile(means, levels)
    assert statistics.bca_intervals(row[None], indices)[0] == pytest.approx(expected, abs=1e-11)


def test_bca_of_equal_differences_is_a_point():
    interval = statistics.bca_intervals(np.full((1, 8), 0.8 - 0.7), statistics.resample_indices(8, 500))
    assert interval == pytest.approx(np.full((1, 2), 0.1), abs=1e-15)


def test_bca_of_two_seeds_spans_both():
    interval = statistics.bca_intervals(np.array([[0.01, 0.03]]), statistics.resample_indices(2))
    assert interval == pytest.approx(np.array([[0.01, 0.03]]))


@pytest.mark.parametrize(("n", "share"), [(2, 0.5), (150, 0.95)])
def test_coverage_of_two_seeds_is_even_and_of_many_what_is_promised(n, share):
    """The interval of two seeds spans both, which lie on either side of the mean as often as not."""
    assert statistics.coverage(n) == pytest.approx(share, abs=0.025)


@pytest.mark.parametrize("n", [6, 10])
def test_coverage_agrees_with_scipy_on_other_samples(n):
    draw = np.random.default_rng(n)
    intervals = stats.bootstrap(
        (draw.normal(size=(2000, n)),), np.mean, axis=1, n_resamples=2000, method="BCa", rng=draw
    ).confidence_interval
    covered = np.mean((intervals.low <= 0) & (intervals.high >= 0))
    assert statistics.coverage(n) == pytest.approx(covered, abs=0.025)


def test_bca_counts_means_that_differ_by_rounding_as_ties():
    """Half of the resampled means that equal the observed one count as below it."""
    differences = 0.1 * np.array([[-3, -2, -1, 0, 1, 2, 3]]) / 3
    low, high = statistics.bca_intervals(differences, statistics.resample_indices(7))[0]
    assert low == pytest.approx(-high, rel=0.06)


def test_bca_covers_the_mean_about_as_often_as_it_says():
    rows = np.random.default_rng(1).normal(size=(600, 30))
    low, high = statistics.bca_intervals(rows, statistics.resample_indices(30, 2000)).T
    assert 0.90 < np.mean((low <= 0) & (high >= 0)) < 0.98


def test_resamples_are_the_same_every_time():
    assert (statistics.resample_indices(5) == statistics.resample_indices(5)).all()
    assert statistics.resample_indices(5).shape == (10_000, 5)


@pytest.mark.parametrize("n", [2, 5, 10, 20])
def test_signed_rank_agrees_with_scipy_without_ties(n):
    rows = np.random.default_rng(n).normal(0.3, 1, size=(20, n))
    expected = [stats.wilcoxon(row, method="exact").pvalue for row in rows]
    assert statistics.signed_rank_p(rows) == pytest.approx(expected)


def by_all_signs(row):
    """Enumerate every sign of the ranks of what is not zero."""
    values = row[row != 0]
    ranks = stats.rankdata(np.abs(values))
    sums = np.array([ranks @ signs for signs in product((0, 1), repeat=len(ranks))])
    observed = ranks[values > 0].sum()
    tails = np.mean(sums <= observed + 1e-9), np.mean(sums >= observed - 1e-9)
    return min(1.0, 2 * min(tails))


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
def test_signed_rank_with_ties_and_zeros_is_that_of_all_sign_patterns(values):
    row = np.array(values, dtype=float)
    expected = by_all_signs(row) if row.any() else 1.0
    assert statistics.signed_rank_p(row[None])[0] == pytest.approx(expected)


def test_signed_rank_of_zeros_is_one():
    assert statistics.signed_rank_p(np.zeros((1, 5)))[0] == 1


@pytest.mark.parametrize(("n", "least"), [(5, 0.0625), (6, 0.03125), (8, 0.0078125)])
def test_smallest_p_is_reached_by_gains_of_one_sign(n, least):
    assert statistics.smallest_p(n) == least
    assert statistics.signed_rank_p(np.arange(1.0, n + 1)[None])[0] == least


def test_holm_by_hand():
    adjusted = statistics.holm(np.array([0.01, 0.04, 0.03, 0.005]))
    assert adjusted == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_leaves_out_what_was_not_tested():
    adjusted = statistics.holm(np.array([np.nan, 0.01, 0.5]))
    assert adjusted == pytest.approx([np.nan, 0.02, 0.5], nan_ok=True)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_never_lowers_a_p_value_and_keeps_the_order(values):
    p_values = np.array(values)
    adjusted = statistics.holm(p_values)
    assert (adjusted >= p_values).all()
    assert (adjusted <= 1).all()
    assert (np.diff(adjusted[np.argsort(p_values)]) >= 0).all()


@pytest.mark.parametrize("n", [3, 10])
def test_detectable_effect_is_found_with_the_promised_power(n):
    effect = statistics.detectable_effect(n)
    samples = np.random.default_rng(n).normal(effect, 1, size=(20_000, n))
    found = np.mean(stats.ttest_1samp(samples, 0, axis=1).pvalue < 0.05)
    assert found == pytest.approx(0.8, abs=0.015)


def test_detectable_effect_approaches_the_normal_formula():
    n = 2000
    assert statistics.detectable_effect(n) * n**0.5 == pytest.approx(
        stats.norm.ppf(0.975) + stats.norm.ppf(0.8), rel=1e-3
    )


def test_mean_ranks_share_ties():
    scores = np.array([[0.9, 0.8, 0.8], [0.7, 0.9, 0.1]])
    assert statistics.mean_ranks(scores) == pytest.approx([1.5, 1.75, 2.75])


def test_critical_difference_agrees_with_the_published_quantile():
    """Demšar 2006, table 5: q = 3.164 for ten classifiers at 0.05."""
    assert statistics.critical_difference(10, 8) == pytest.approx(3.164 * (10 * 11 / 48) ** 0.5, abs=2e-3)
