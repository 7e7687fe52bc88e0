"""Splits divide as they say, tear no group apart and never change."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ucmkd.data.splits import group_split, stratified_split
from ucmkd.errors import DataError

FRACTIONS = {"train": 0.6, "val": 0.15, "test": 0.25}

sizes = st.lists(st.integers(10, 60), min_size=1, max_size=8)


class TestStratified:
    @given(sizes)
    @settings(max_examples=30, deadline=None)
    def test_every_class_is_divided_alike_to_within_one_sample(self, sizes: list[int]) -> None:
        labels = np.repeat(np.arange(len(sizes)), sizes)
        split = np.array(stratified_split(labels, FRACTIONS))
        for label, size in enumerate(sizes):
            counts = [int((split[labels == label] == part).sum()) for part in FRACTIONS]
            assert sum(counts) == size
            assert all(abs(n - size * share) < 1 for n, share in zip(counts, FRACTIONS.values(), strict=True))

    def test_exact_shares_are_met_exactly(self) -> None:
        split = stratified_split(np.arange(400) % 4, {"train": 0.7, "val": 0.1, "test": 0.2})
        assert [split.count(part) for part in FRACTIONS] == [280, 40, 80]

    def test_the_same_whatever_else_draws_random_numbers(self) -> None:
        labels = np.arange(100) % 5
        np.random.seed(1)  # noqa: NPY002
        first = stratified_split(labels, FRACTIONS)
        np.random.seed(2)  # noqa: NPY002
        assert stratified_split(labels, FRACTIONS) == first

    def test_another_seed_divides_otherwise(self) -> None:
        labels = np.arange(100) % 5
        assert stratified_split(labels, FRACTIONS, seed=1) != stratified_split(labels, FRACTIONS, seed=2)

    def test_a_class_is_divided_the_same_whatever_other_classes_there_are(self) -> None:
        alone = stratified_split(np.zeros(40, int), FRACTIONS)
        together = stratified_split(np.arange(80) % 2, FRACTIONS)
        assert together[::2] == alone

    def test_order_of_the_file_does_not_decide(self) -> None:
        split = np.array(stratified_split(np.zeros(1000, int), FRACTIONS))
        middle = [np.flatnonzero(split == part).mean() for part in FRACTIONS]
        assert all(abs(value - 500) < 100 for value in middle)

    def test_a_class_too_small_for_every_split_is_named(self) -> None:
        with pytest.raises(DataError, match="class 1 has 2 samples, too few"):
            stratified_split(np.array([0] * 20 + [1] * 2), FRACTIONS)


class TestGroups:
    @given(st.lists(st.integers(1, 30), min_size=3, max_size=30), st.integers(0, 5))
    @settings(max_examples=50, deadline=None)
    def test_groups_stay_whole_and_no_split_is_empty(self, sizes: list[int], seed: int) -> None:
        groups = [f"speaker{k}" for k, size in enumerate(sizes) for _ in range(size)]
        split = group_split(groups, FRACTIONS, seed=seed)
        assert all(len({part for g, part in zip(groups, split, strict=True) if g == k}) == 1 for k in groups)
        assert set(split) == set(FRACTIONS)

    def test_shares_are_met_to_within_a_group(self) -> None:
        groups = [f"speaker{k % 50}" for k in range(1000)]
        split = group_split(groups, FRACTIONS)
        assert all(abs(split.count(part) - 1000 * share) <= 20 for part, share in FRACTIONS.items())

    def test_order_of_the_samples_does_not_matter(self) -> None:
        groups = [f"speaker{k % 7}" for k in range(70)]
        home = dict(zip(groups, group_split(groups, FRACTIONS), strict=True))
        assert group_split(groups[::-1], FRACTIONS) == [home[group] for group in groups[::-1]]

    def test_another_seed_divides_otherwise(self) -> None:
        groups = [f"speaker{k}" for k in range(20)]
        assert group_split(groups, FRACTIONS, seed=1) != group_split(groups, FRACTIONS, seed=2)

    def test_fewer_groups_than_splits_are_refused(self) -> None:
        with pytest.raises(DataError, match="2 groups cannot fill 3 splits"):
            group_split(["a", "b", "a"], FRACTIONS)


@pytest.mark.parametrize(
    "fractions", [{"train": 0.6, "test": 0.5}, {"train": 1.2, "test": -0.2}, {"train": 0.9}]
)
def test_fractions_that_are_no_division_are_refused(fractions: dict[str, float]) -> None:
    for divide in (stratified_split, group_split):
        with pytest.raises(DataError, match="make them positive with sum 1"):
            divide(np.arange(20) % 2, fractions)
