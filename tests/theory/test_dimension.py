"""The intrinsic dimension of point clouds whose dimension is known."""

import numpy as np
import pytest

from ucmkd.theory.dimension import rate, two_nearest_neighbours


@pytest.fixture
def draw() -> np.random.Generator:
    return np.random.default_rng(3)


def embedded(draw: np.random.Generator, cloud: np.ndarray, width: int = 20) -> np.ndarray:
    """Turn a cloud in more dimensions."""
    turn = np.linalg.qr(draw.normal(size=(width, cloud.shape[1])))[0]
    return cloud @ turn.T


@pytest.mark.parametrize("dimension", [1, 2, 4])
@pytest.mark.parametrize("law", ["normal", "uniform"])
def test_it_is_that_of_the_cloud_and_not_of_the_space(
    law: str, dimension: int, draw: np.random.Generator
) -> None:
    cloud = getattr(draw, law)(size=(2000, dimension))
    assert two_nearest_neighbours(embedded(draw, cloud)) == pytest.approx(dimension, rel=0.12)


def test_a_curved_line_has_dimension_one(draw: np.random.Generator) -> None:
    angle = draw.uniform(0, 2 * np.pi, 1000)
    circle = np.stack([np.cos(angle), np.sin(angle), np.sin(2 * angle)], axis=1)
    assert two_nearest_neighbours(circle) == pytest.approx(1, rel=0.1)


def test_scale_and_repeated_points_change_nothing(draw: np.random.Generator) -> None:
    cloud = draw.normal(size=(300, 3))
    found = two_nearest_neighbours(cloud)
    assert two_nearest_neighbours(100 * np.repeat(cloud, 2, axis=0)) == pytest.approx(found)


@pytest.mark.parametrize(
    "points", [np.zeros((100, 3)), np.repeat(np.arange(19.0), 5)[:, None], np.eye(30)],
    ids=["collapsed", "too few", "all equally far"],
)  # fmt: skip
def test_points_that_do_not_say_give_no_number(points: np.ndarray) -> None:
    assert two_nearest_neighbours(points) is None


@pytest.mark.parametrize(
    ("samples", "dimension", "expected"), [(10_000, 4, 0.1), (100, 1, 0.1), (1024, 10, 0.5)]
)
def test_the_rate_is_the_root_of_the_samples(samples: int, dimension: float, expected: float) -> None:
    assert rate(samples, dimension) == pytest.approx(expected)
