"""Distances between sets of features, against POT, SciPy and known values."""

import numpy as np
import ot
import pytest
from scipy.stats import wasserstein_distance

from ucmkd.errors import DataError
from ucmkd.theory import distance


@pytest.fixture
def draw() -> np.random.Generator:
    return np.random.default_rng(2)


class TestExact:
    def test_in_one_dimension_it_is_that_of_sorted_samples(self, draw: np.random.Generator) -> None:
        x, y = draw.normal(size=(80, 1)), draw.exponential(size=(80, 1))
        assert distance.exact(x, y) == pytest.approx(wasserstein_distance(x[:, 0], y[:, 0]))

    def test_it_is_that_of_a_linear_programme(self, draw: np.random.Generator) -> None:
        x, y = draw.normal(size=(60, 5)), 2 * draw.normal(size=(60, 5)) + 1
        even = np.full(60, 1 / 60)
        theirs = ot.emd2(even, even, ot.dist(x, y, metric="euclidean"))
        assert distance.exact(x, y) == pytest.approx(theirs)

    @pytest.mark.parametrize("width", [1, 3, 20])
    def test_a_translated_set_is_as_far_as_its_mean(self, width: int, draw: np.random.Generator) -> None:
        x, shift = draw.normal(size=(100, width)), np.full(width, 2.0)
        assert distance.exact(x, draw.permutation(x + shift)) == pytest.approx(2 * np.sqrt(width))

    def test_two_samples_of_translated_normal_laws_come_close_to_the_translation(
        self, draw: np.random.Generator
    ) -> None:
        x, y = draw.normal(size=(600, 2)), draw.normal(size=(600, 2)) + np.array([3.0, 4.0])
        assert distance.exact(x, y) == pytest.approx(5, abs=0.25)

    def test_sets_of_different_size_are_refused(self) -> None:
        with pytest.raises(DataError, match="one to one"):
            distance.exact(np.eye(3), np.eye(4)[:, :3])


class TestNull:
    def test_equal_laws_have_a_distance_but_no_excess(self, draw: np.random.Generator) -> None:
        student, teacher = draw.normal(size=(400, 10)), draw.normal(size=(800, 10))
        found = distance.against_null(student, teacher, draw)
        assert found.null > 1
        assert abs(found.excess) < 0.05 * found.null

    def test_the_excess_grows_with_the_translation_in_one_dimension(self, draw: np.random.Generator) -> None:
        student, teacher = draw.normal(size=(500, 1)) + 3, draw.normal(size=(1000, 1))
        assert distance.against_null(student, teacher, draw).excess == pytest.approx(3, abs=0.25)

    def test_both_distances_are_of_as_many_rows(
        self, draw: np.random.Generator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen = []
        monkeypatch.setattr(distance, "exact", lambda x, y: seen.append((len(x), len(y))) or 0.0)
        distance.against_null(draw.normal(size=(30, 2)), draw.normal(size=(101, 2)), draw)
        distance.against_null(draw.normal(size=(90, 2)), draw.normal(size=(101, 2)), draw)
        assert seen == [(30, 30)] * 2 + [(50, 50)] * 2

    def test_the_halves_share_no_row(
        self, draw: np.random.Generator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        halves = []
        monkeypatch.setattr(distance, "exact", lambda x, y: halves.append((x, y)) or 0.0)
        teacher = np.arange(40.0)[:, None]
        distance.against_null(draw.normal(size=(90, 1)), teacher, draw)
        one, other = halves[1]
        assert sorted([*one[:, 0], *other[:, 0]]) == list(range(40))


class TestSinkhorn:
    def test_it_is_nothing_for_equal_sets(self, draw: np.random.Generator) -> None:
        x = draw.normal(size=(120, 3))
        assert distance.sinkhorn(x, draw.permutation(x)) == pytest.approx(0, abs=1e-3)

    def test_two_points_are_as_far_as_they_are(self) -> None:
        here = np.zeros((30, 3))
        assert distance.sinkhorn(here, here + np.array([3.0, 4.0, 0.0])) == pytest.approx(5)

    def test_it_sees_a_bounded_number_of_rows(self, draw: np.random.Generator) -> None:
        x = draw.normal(size=(distance.SINKHORN_ROWS, 1))
        more = np.concatenate([x, x + 1e6])
        assert distance.sinkhorn(more, x) == pytest.approx(0, abs=1e-3)


class TestSliced:
    def test_it_never_exceeds_the_exact_distance(self, draw: np.random.Generator) -> None:
        for width in (2, 8):
            x, y = draw.normal(size=(80, width)), 3 * draw.normal(size=(80, width)) + 1
            assert 0 < distance.sliced(x, y, 0) < distance.exact(x, y)

    def test_in_one_dimension_it_is_the_exact_distance(self, draw: np.random.Generator) -> None:
        x, y = draw.normal(size=(80, 1)), draw.normal(size=(80, 1)) + 2
        assert distance.sliced(x, y, 0) == pytest.approx(distance.exact(x, y))

    def test_a_translation_is_seen_by_its_mean_over_directions(self, draw: np.random.Generator) -> None:
        x = draw.normal(size=(50, 2))
        # the mean of |cos| over the circle is 2 / pi
        assert distance.sliced(x, x + np.array([5.0, 0.0]), 0) == pytest.approx(10 / np.pi, rel=0.06)


class TestStandardised:
    def test_it_undoes_any_scale_and_centre_of_the_coordinates(self, draw: np.random.Generator) -> None:
        x, y = draw.normal(size=(30, 4)), draw.normal(size=(40, 4)) + 1
        scale, centre = np.array([1e-3, 1.0, 50.0, 7.0]), np.array([4.0, 0.0, -90.0, 1.0])
        for one, other in zip(
            distance.standardised(x, y), distance.standardised(scale * x + centre, scale * y + centre),
            strict=True,
        ):  # fmt: skip
            np.testing.assert_allclose(one, other, atol=1e-9)

    def test_pooled_coordinates_have_mean_0_and_variance_1_and_constant_ones_vanish(
        self, draw: np.random.Generator
    ) -> None:
        x, y = draw.normal(size=(30, 3)), draw.normal(size=(40, 3)) + 1
        x[:, 2] = y[:, 2] = 0.1
        pooled = np.concatenate(distance.standardised(x, y))
        np.testing.assert_allclose(pooled.mean(axis=0), 0, atol=1e-12)
        np.testing.assert_allclose(pooled.std(axis=0), [1, 1, 0], atol=1e-12)
