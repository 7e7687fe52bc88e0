"""Forms of the teacher's loss at a feature, and the kernel, against closed forms."""

import math

import numpy as np
import pytest
from scipy.stats import entropy as scipy_entropy
from sklearn.neighbors import KNeighborsClassifier

from ucmkd.errors import DataError
from ucmkd.theory import label_loss
from ucmkd.theory.head import Head
from ucmkd.theory.kappa import BINS, histogram, plug_in_kernel


@pytest.fixture
def draw() -> np.random.Generator:
    return np.random.default_rng(0)


def logs(draw: np.random.Generator, n: int = 40, classes: int = 5) -> np.ndarray:
    return Head(draw.normal(size=(classes, 3)), draw.normal(size=classes)).log_probabilities(
        3 * draw.normal(size=(n, 3))
    )


class TestEntropy:
    def test_it_is_that_of_another_implementation(self, draw: np.random.Generator) -> None:
        given = logs(draw)
        np.testing.assert_allclose(label_loss.entropy(given), scipy_entropy(np.exp(given), axis=1))

    def test_it_is_the_expectation_under_the_teachers_own_distribution(
        self, draw: np.random.Generator
    ) -> None:
        given = logs(draw)
        np.testing.assert_allclose(label_loss.entropy(given), label_loss.expected(given, np.exp(given)))

    def test_a_certain_teacher_has_none_and_an_even_one_the_most(self) -> None:
        certain = Head(np.eye(4) * 2000, np.zeros(4)).log_probabilities(np.eye(4))
        even = Head(np.zeros((4, 4)), np.zeros(4)).log_probabilities(np.eye(4))
        np.testing.assert_array_equal(label_loss.entropy(certain), 0)
        np.testing.assert_allclose(label_loss.entropy(even), math.log(4))


class TestPlugIn:
    def test_it_never_exceeds_the_entropy_nor_one_over_e(self, draw: np.random.Generator) -> None:
        given, labels = logs(draw, 2000), draw.integers(0, 5, 2000)
        values = label_loss.plug_in(given, labels)
        assert (values <= label_loss.entropy(given) + 1e-12).all()
        assert 0.9 / math.e < values.max() <= 1 / math.e

    def test_its_sum_over_labels_is_the_entropy(self, draw: np.random.Generator) -> None:
        given = logs(draw)
        parts = [label_loss.plug_in(given, np.full(len(given), label)) for label in range(5)]
        np.testing.assert_allclose(sum(parts), label_loss.entropy(given))


class TestNeighbours:
    def test_shares_are_those_of_another_implementation(self, draw: np.random.Generator) -> None:
        features, labels, points = draw.normal(size=(60, 3)), np.arange(60) % 4, draw.normal(size=(25, 3))
        theirs = KNeighborsClassifier(10).fit(features, labels).predict_proba(points)
        np.testing.assert_allclose(
            label_loss.neighbour_distribution(points, features, labels, 4), theirs, atol=1e-12
        )

    def test_at_teacher_features_the_own_label_is_left_out(self, draw: np.random.Generator) -> None:
        features, labels = draw.normal(size=(30, 2)), np.arange(30) % 3
        shares = label_loss.neighbour_distribution(None, features, labels, 3)
        for row in range(30):
            others = np.delete(np.arange(30), row)
            alone = label_loss.neighbour_distribution(features[[row]], features[others], labels[others], 3)
            np.testing.assert_allclose(shares[row], alone[0])

    def test_too_few_teacher_features_are_refused(self) -> None:
        with pytest.raises(DataError, match="10 teacher features"):
            label_loss.neighbour_distribution(None, np.eye(10), np.zeros(10, dtype=np.int64), 2)


class TestKernel:
    def test_it_is_the_probability_of_the_true_class(self, draw: np.random.Generator) -> None:
        given, labels = logs(draw), draw.integers(0, 5, 40)
        values = plug_in_kernel(logs(draw), given, labels)
        np.testing.assert_allclose(values, np.exp(given)[range(40), labels])

    def test_every_value_is_counted_once_ends_included(self) -> None:
        shares = histogram(np.array([0.0, 0.05, 0.5, 1.0]))
        assert len(shares) == BINS
        assert sum(each["share"] for each in shares) == pytest.approx(1)
        filled = {round(each["low"], 6): each["share"] for each in shares if each["share"]}
        assert filled == {0.0: 0.25, 0.05: 0.25, 0.5: 0.25, 0.95: 0.25}


def test_a_temperature_divides_the_logits() -> None:
    head, features = Head(np.eye(3), np.arange(3.0)), np.eye(3)
    cold = head.at_temperature(0.5).log_probabilities(features)
    logits = 2 * (features + np.arange(3.0))
    np.testing.assert_allclose(cold, logits - np.log(np.exp(logits).sum(1, keepdims=True)))
