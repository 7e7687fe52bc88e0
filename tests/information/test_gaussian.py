import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.cross_decomposition import CCA

from ucmkd.errors import DataError
from ucmkd.information.estimates import information_between
from ucmkd.information.gaussian import (
    canonical_correlations,
    gaussian_information,
    information_of_correlations,
)
from ucmkd.information.simulation import correlated


def random_covariance(rng, size):
    factor = rng.standard_normal((size, size + 3))
    return factor @ factor.T


@pytest.mark.parametrize(("p", "q"), [(1, 1), (2, 5), (4, 3)])
def test_determinants_and_canonical_correlations_agree(p, q):
    covariance = random_covariance(np.random.default_rng(p), p + q)
    correlations = canonical_correlations(covariance, p)
    assert len(correlations) == min(p, q)
    assert gaussian_information(covariance, p) == pytest.approx(information_of_correlations(correlations))


def test_information_is_that_of_entropies():
    covariance = random_covariance(np.random.default_rng(7), 5)
    parts = covariance[:2, :2], covariance[2:, 2:], covariance
    first, second, both = (multivariate_normal(cov=part).entropy() for part in parts)
    assert gaussian_information(covariance, 2) == pytest.approx(first + second - both)


def test_correlations_are_those_of_another_implementation():
    rng = np.random.default_rng(2)
    a = rng.standard_normal((300, 2))
    b = a @ rng.standard_normal((2, 3)) + rng.standard_normal((300, 3))
    said = CCA(n_components=2, max_iter=5000, tol=1e-12).fit_transform(a, b)
    expected = [np.corrcoef(x, y)[0, 1] for x, y in zip(said[0].T, said[1].T, strict=True)]
    covariance = np.cov(np.hstack([a, b]).T)
    assert canonical_correlations(covariance, 2) == pytest.approx(expected, abs=1e-5)


def test_two_scalars():
    assert gaussian_information(np.array([[4, 3.0], [3, 9]]), 1) == pytest.approx(-np.log(1 - 0.25) / 2)


def test_one_side_that_determines_the_other_has_no_number():
    with pytest.raises(DataError, match="singular"):
        gaussian_information(np.ones((2, 2)), 1)


class TestEstimate:
    def test_invertible_linear_maps_change_nothing(self):
        rng = np.random.default_rng(3)
        a, b = correlated(120, 4, 0.7, rng)
        said = information_between(a, b, "gaussian_cca", seed=0)
        mapped = information_between(
            a @ rng.standard_normal((4, 4)) + 5, b @ rng.standard_normal((4, 4)) - 2, "gaussian_cca", seed=0
        )
        assert (mapped.value, mapped.low, mapped.high) == pytest.approx((said.value, said.low, said.high))

    def test_many_rows_give_the_closed_form(self):
        a, b = correlated(5_000, 3, 0.6, np.random.default_rng(4))
        said = information_between(a, b, "gaussian_cca", seed=0)
        # The standard error is sqrt(3) * 0.6 / sqrt(n) = 0.015; three of them.
        assert said.value == pytest.approx(-1.5 * np.log(1 - 0.36), abs=0.045)

    def test_shrinkage_keeps_it_at_zero_where_unshrunk_correlations_are_not(self):
        a, b = np.random.default_rng(5).standard_normal((2, 80, 16))
        unshrunk = gaussian_information(np.cov(np.hstack([a, b]).T), 16)
        assert unshrunk > 1
        assert information_between(a, b, "gaussian_cca", seed=0).value < 0.1
