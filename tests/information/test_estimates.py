"""Every estimator on data of known information, and on data that give no number."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import entropy, norm

from ucmkd.errors import DataError
from ucmkd.information.decision import keeps_data_processing
from ucmkd.information.estimates import (
    ABOUT_LABELS,
    BETWEEN,
    FEWEST_ROWS,
    information_about_labels,
    information_between,
    label_entropy,
)
from ucmkd.information.simulation import class_information, correlated, two_classes

N = 300
LABELS = np.arange(FEWEST_ROWS) % 2
GOOD = np.random.default_rng(0).standard_normal((FEWEST_ROWS, 2))


def allowance(said, bias):
    """How far from the truth an estimate may be: 1.5 half-widths of its interval (about 3 deviations), and
    the shortfall that few rows cost, as a share of the truth."""
    return 0.75 * (said.high - said.low) + bias + 0.03


@pytest.mark.parametrize("correlation", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("name", BETWEEN)
def test_information_of_two_scalars(name, correlation):
    said = information_between(*correlated(N, 1, correlation, np.random.default_rng(1)), name, seed=0)
    known = -np.log(1 - correlation**2) / 2
    assert said.low <= said.value <= said.high
    assert abs(said.value - known) < allowance(said, 0.1 * known)


@pytest.mark.parametrize("name", BETWEEN)
def test_in_five_dimensions_estimates_fall_short_but_see_the_dependence(name):
    said = information_between(*correlated(N, 5, 0.6, np.random.default_rng(2)), name, seed=0)
    known = -2.5 * np.log(1 - 0.36)
    assert 0.25 * known < said.value < known + allowance(said, 0)


@pytest.mark.parametrize("separation", [1.0, 4.0])
@pytest.mark.parametrize("name", ["probe", "mixed_ksg"])
def test_information_about_two_classes(name, separation):
    said = information_about_labels(*two_classes(N, 2, separation, np.random.default_rng(3)), name, seed=0)
    known = class_information(separation)
    assert abs(said.value - known) < allowance(said, 0.1 * known)


def test_gaussian_surrogate_about_classes_is_that_of_their_correlation():
    """Two classes this far apart correlate with their indicator by half the distance over the deviation."""
    a, labels = two_classes(5000, 1, 2.0, np.random.default_rng(4))
    rho = 1 / np.sqrt(1 + 1)
    said = information_about_labels(a, labels, "gaussian_cca", seed=0)
    assert abs(said.value + np.log(1 - rho**2) / 2) < allowance(said, 0)


def test_quadrature_of_the_classes_is_the_integral_of_entropies():
    def mixture(x):
        density = (norm.pdf(x, -1) + norm.pdf(x, 1)) / 2
        return -density * np.log(density)

    assert class_information(2.0) == pytest.approx(quad(mixture, -12, 12)[0] - norm.entropy(), abs=1e-6)


@pytest.mark.parametrize("name", BETWEEN)
def test_independent_features_share_nothing(name):
    a, b = np.random.default_rng(5).standard_normal((2, N, 3))
    said = information_between(a, b, name, seed=0)
    assert said.low == 0
    assert said.value < allowance(said, 0)


@pytest.mark.parametrize("name", ABOUT_LABELS)
def test_independent_features_say_nothing_about_classes(name):
    rng = np.random.default_rng(6)
    said = information_about_labels(rng.standard_normal((N, 3)), rng.integers(0, 4, N), name, seed=0)
    assert said.low == 0
    assert said.value < allowance(said, 0)


@pytest.mark.parametrize("name", BETWEEN)
def test_units_of_the_features_do_not_matter(name):
    a, b = correlated(100, 2, 0.8, np.random.default_rng(7))
    said = information_between(a, b, name, seed=0)
    scaled = information_between(a * [1000, 0.01] + 7, b / 64, name, seed=0)
    assert scaled.value == pytest.approx(said.value, rel=1e-2, abs=1e-3)


@pytest.mark.parametrize("name", BETWEEN)
def test_rows_paired_within_class_keep_the_data_processing_inequality(name):
    rng = np.random.default_rng(8)
    labels = np.arange(240) % 4
    centres = 2 * rng.standard_normal((2, 4, 3))
    shared = 2 * rng.standard_normal((240, 3))
    teacher, student = (each[labels] + shared + rng.standard_normal((240, 3)) for each in centres)
    order = np.arange(240)
    for each in range(4):
        order[labels == each] = rng.permutation(order[labels == each])
    about = [information_about_labels(side, labels, "mixed_ksg", seed=0) for side in (teacher, student)]
    assert keeps_data_processing(information_between(teacher[order], student, name, seed=0), *about)
    assert not keeps_data_processing(information_between(teacher, teacher, "ksg", seed=0), *about)


def test_columns_that_do_not_vary_are_left_out():
    a, b = correlated(80, 2, 0.7, np.random.default_rng(9))
    padded = np.hstack([a, np.full((80, 3), 0.1)])
    assert information_between(padded, b, "ksg", seed=0) == information_between(a, b, "ksg", seed=0)


def test_more_columns_than_rows():
    a = np.random.default_rng(10).standard_normal((50, 70))
    for name in BETWEEN:
        said = information_between(a, a[::-1], name, seed=0)
        assert np.isfinite([said.value, said.low, said.high]).all()


def test_label_entropy_is_scipys():
    labels = np.array([3, 3, 3, -1, 7, 7])
    assert label_entropy(labels) == pytest.approx(entropy([3, 1, 2]))


@pytest.mark.parametrize(
    ("a", "b", "why"),
    [
        (GOOD[:-1], GOOD[:-1], "39 rows, and an estimate takes 40"),
        (GOOD, np.vstack([GOOD, GOOD]), "40 rows of one and 80 of the other"),
        (GOOD[:, 0], GOOD, "give rows of features"),
        (np.where(GOOD > 1, np.nan, GOOD), GOOD, "a has values that are not finite"),
        (GOOD, np.where(GOOD > 1, np.inf, GOOD), "b has values that are not finite"),
        (GOOD, np.ones((FEWEST_ROWS, 3)), "no column of the features varies"),
    ],
)
@pytest.mark.parametrize("name", BETWEEN)
def test_features_without_a_number(name, a, b, why):
    with pytest.raises(DataError, match=why):
        information_between(a, b, name, seed=0)


@pytest.mark.parametrize(
    ("a", "labels", "why"),
    [
        (GOOD[:-1], LABELS[:-1], "39 rows"),
        (GOOD, LABELS[:-1], "40 rows of one and 39 of the other"),
        (GOOD, LABELS.astype(float), "give integers"),
        (GOOD, LABELS[:, None], "give integers"),
        (np.where(GOOD > 1, np.nan, GOOD), LABELS, "not finite"),
        (GOOD, np.zeros_like(LABELS), "class 0 is the only one"),
        (GOOD, np.r_[[5, 5, 5], LABELS[3:]], "3 rows of class 5, and an estimate takes 4"),
    ],
)
@pytest.mark.parametrize("name", ABOUT_LABELS)
def test_labels_without_a_number(name, a, labels, why):
    with pytest.raises(DataError, match=why):
        information_about_labels(a, labels, name, seed=0)


def test_unknown_estimators_are_named():
    with pytest.raises(DataError, match="no estimator 'probe'; known: gaussian_cca, ksg"):
        information_between(GOOD, GOOD, "probe", seed=0)
    with pytest.raises(DataError, match="no estimator 'ksg'; known: probe"):
        information_about_labels(GOOD, LABELS, "ksg", seed=0)


def test_no_labels_have_no_entropy():
    with pytest.raises(DataError, match="give integers"):
        label_entropy(np.array([], int))
