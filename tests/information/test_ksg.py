import numpy as np
import pytest
from scipy.special import digamma
from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

from ucmkd.information.estimates import information_about_labels, information_between
from ucmkd.information.ksg import kraskov, ross
from ucmkd.information.simulation import correlated, two_classes


def tolerance(n):
    """Scikit-learn rounds distances otherwise, so that a neighbour on the edge may count or not: one row's
    count of at least 3 is then off by 1."""
    return 1 / (3 * n)


@pytest.mark.parametrize("correlation", [0.3, 0.8])
@pytest.mark.parametrize("n", [60, 300])
def test_in_one_dimension_it_is_scikit_learns(n, correlation):
    a, b = correlated(n, 1, correlation, np.random.default_rng(n))
    a, b = a / a.std(), b / b.std()
    expected = mutual_info_regression(a, b[:, 0], discrete_features=False, n_neighbors=3, random_state=0)[0]
    assert max(kraskov(a, b), 0) == pytest.approx(expected, abs=tolerance(n))


@pytest.mark.parametrize("separation", [1.0, 3.0])
@pytest.mark.parametrize("n", [60, 300])
def test_about_classes_it_is_scikit_learns_in_one_dimension(n, separation):
    a, labels = two_classes(n, 1, separation, np.random.default_rng(n))
    labels[:5] = 2
    a = a / a.std()
    expected = mutual_info_classif(a, labels, discrete_features=False, n_neighbors=3, random_state=0)[0]
    assert max(ross(a, labels), 0) == pytest.approx(expected, abs=tolerance(n))


def test_small_classes_have_fewer_neighbours():
    a, labels = two_classes(60, 1, 2.0, np.random.default_rng(0))
    labels[:2] = 2
    expected = mutual_info_classif(
        a / a.std(), labels, discrete_features=False, n_neighbors=3, random_state=0
    )
    assert ross(a / a.std(), labels) == pytest.approx(expected[0], abs=tolerance(60))


def brute_force(a, b):
    """The formula by all distances, in loops."""
    n, total = len(a), 0.0
    for i in range(n):
        da, db = np.abs(a - a[i]).max(axis=1), np.abs(b - b[i]).max(axis=1)
        reach = np.sort(np.maximum(da, db))[3]
        total += digamma((da < reach).sum()) + digamma((db < reach).sum())
    return digamma(3) + digamma(n) - total / n


def test_in_several_dimensions_it_is_the_formula():
    a, b = correlated(80, 3, 0.7, np.random.default_rng(1))
    assert kraskov(a, b[:, :2]) == pytest.approx(brute_force(a, b[:, :2]))


def test_rescaled_columns_change_nothing():
    rng = np.random.default_rng(2)
    a, b = correlated(100, 3, 0.7, rng)
    said = information_between(a, b, "ksg", seed=0)
    scaled = information_between(a * [1, 10, 0.1] + 3, -4 * b, "ksg", seed=0)
    assert (scaled.value, scaled.low, scaled.high) == pytest.approx((said.value, said.low, said.high))


def test_the_same_features_reach_the_cap():
    a = np.random.default_rng(3).standard_normal((100, 2))
    said = information_between(a, a, "ksg", seed=0)
    assert said.value == pytest.approx(said.cap)
    assert said.cap == pytest.approx(digamma(100) - digamma(3))


def test_classes_far_apart_reach_the_cap():
    a, labels = two_classes(100, 2, 50.0, np.random.default_rng(4))
    said = information_about_labels(a, labels, "mixed_ksg", seed=0)
    assert said.value == pytest.approx(said.cap)
    assert said.cap == pytest.approx(digamma(100) - digamma(50))
