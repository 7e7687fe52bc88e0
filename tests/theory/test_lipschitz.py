"""Slopes and gradients of the teacher's loss."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.spatial.distance import pdist

from ucmkd.theory.head import Head
from ucmkd.theory.label_loss import entropy
from ucmkd.theory.lipschitz import entropy_cap, entropy_gradients, pair_slopes


@pytest.fixture
def draw() -> np.random.Generator:
    return np.random.default_rng(1)


def random_head(draw: np.random.Generator, classes: int, width: int = 4) -> Head:
    return Head(draw.normal(size=(classes, width)), draw.normal(size=classes))


def loss(head: Head, point: np.ndarray) -> float:
    return float(entropy(head.log_probabilities(point[None]))[0])


class TestSlopes:
    def test_a_linear_function_has_the_norm_of_its_gradient_along_it_and_less_elsewhere(
        self, draw: np.random.Generator
    ) -> None:
        gradient = np.array([3.0, -4.0])
        points = draw.normal(size=(50, 2))
        assert pair_slopes(points @ gradient, pdist(points)).max() <= 5 + 1e-9
        along = np.linspace(-1, 1, 9)[:, None] * gradient
        np.testing.assert_allclose(pair_slopes(along @ gradient, pdist(along)), 5)

    def test_equal_points_have_no_slope(self) -> None:
        points = np.array([[0.0], [0.0], [2.0]])
        np.testing.assert_array_equal(pair_slopes(np.array([0.0, 1.0, 1.0]), pdist(points)), [0.5, 0.0])


class TestGradient:
    @pytest.mark.parametrize("classes", [2, 3, 7])
    def test_it_is_that_of_finite_differences(self, classes: int, draw: np.random.Generator) -> None:
        head, points = random_head(draw, classes), draw.normal(size=(6, 4))
        found = entropy_gradients(head, points)
        for point, gradient in zip(points, found, strict=True):
            numeric = approx_fprime(point, lambda z: loss(head, z), 1e-7)
            np.testing.assert_allclose(gradient, numeric, atol=1e-5)

    def test_it_does_not_change_when_all_rows_of_the_head_move_alike(self, draw: np.random.Generator) -> None:
        head, points = random_head(draw, 5), draw.normal(size=(6, 4))
        moved = Head(head.weight + draw.normal(size=4), head.bias)
        np.testing.assert_allclose(entropy_gradients(moved, points), entropy_gradients(head, points))

    def test_it_is_finite_where_the_teacher_is_certain(self) -> None:
        found = entropy_gradients(Head(5000 * np.eye(3), np.zeros(3)), np.eye(3))
        np.testing.assert_array_equal(found, 0)


class TestCap:
    @pytest.mark.parametrize("classes", [2, 3, 10, 100])
    def test_no_gradient_exceeds_it_not_even_the_steepest_there_is(
        self, classes: int, draw: np.random.Generator
    ) -> None:
        head = random_head(draw, classes)
        points = draw.normal(size=(500, 4)) * 10 ** draw.uniform(-1, 1.5, (500, 1))
        assert np.linalg.norm(entropy_gradients(head, points), axis=1).max() <= entropy_cap(head)
        # one class against all others alike, at every odds: the variance of log p is greatest here
        one = Head(np.eye(classes)[:, :1], np.zeros(classes))
        steepest = np.abs(entropy_gradients(one, np.linspace(-5, 15, 400)[:, None])).max()
        assert steepest <= entropy_cap(one) <= 3 * steepest

    def test_it_bounds_every_slope(self, draw: np.random.Generator) -> None:
        head, points = random_head(draw, 6), 2 * draw.normal(size=(200, 4))
        slopes = pair_slopes(entropy(head.log_probabilities(points)), pdist(points))
        assert 0 < slopes.max() <= entropy_cap(head)

    def test_it_scales_with_the_head(self, draw: np.random.Generator) -> None:
        head = random_head(draw, 6)
        assert entropy_cap(head.at_temperature(0.25)) == pytest.approx(4 * entropy_cap(head))
