"""Batches: one pass over the student's rows, and teacher rows as the regime says."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from tests.toy import ToyPair
from ucmkd.data.pairing import Rows
from ucmkd.data.regimes import ALONE, find_regime, regime_names
from ucmkd.data.sampling import Meeting, Sampler, sampler_for
from ucmkd.errors import DataError

REGIMES = [ALONE, *regime_names()]
BY_CLASS = ["class_cond", "class_cond_disjoint"]
INDEPENDENT = [ALONE, "shuffled", "disjoint", "disjoint_teacher", "unlabelled_student"]


def sampler(toy: ToyPair, regime: str, batch_size: int = 32) -> Sampler:
    return sampler_for(toy.split(regime), batch_size, toy.student.labels, toy.teacher.labels)


def joined(meetings: list[Meeting]) -> tuple[Rows, Rows]:
    """Student and teacher positions of an epoch."""
    return np.concatenate([m.student for m in meetings]), np.concatenate([m.teacher for m in meetings])


def epoch(toy: ToyPair, regime: str, number: int = 1, seed: int = 0) -> tuple[Rows, Rows]:
    return joined(list(sampler(toy, regime).epoch(seed, number)))


def rows(toy: ToyPair, regime: str, number: int = 1) -> tuple[Rows, Rows]:
    """The same as rows of the two datasets."""
    split = toy.split(regime)
    student, teacher = epoch(toy, regime, number)
    return split.student.train[student], split.teacher.train[split.teacher.meets][teacher]


@pytest.mark.parametrize("regime", REGIMES)
class TestEveryRegime:
    def test_an_epoch_is_one_pass_without_replacement(self, regime: str, toy: ToyPair) -> None:
        student, teacher = epoch(toy, regime)
        assert sorted(student) == list(range(80))
        assert len(teacher) == 80

    def test_batches_differ_by_at_most_one_sample(self, regime: str, toy: ToyPair) -> None:
        sizes = [len(meeting.student) for meeting in sampler(toy, regime).epoch(0, 1)]
        assert sorted(sizes) == [26, 27, 27]

    def test_the_same_seed_and_epoch_give_the_same_batches_whatever_was_drawn_before(
        self, regime: str, toy: ToyPair
    ) -> None:
        used = sampler(toy, regime)
        list(used.epoch(0, 1))
        later, alone = joined(list(used.epoch(3, 2))), epoch(toy, regime, 2, seed=3)
        assert [side.tolist() for side in later] == [side.tolist() for side in alone]

    def test_another_seed_or_epoch_gives_other_batches(self, regime: str, toy: ToyPair) -> None:
        orders = [epoch(toy, regime, number, seed)[0].tolist() for seed, number in ((0, 1), (0, 2), (1, 1))]
        assert all(one != other for one, other in pairwise([*orders, orders[0]]))

    def test_the_student_meets_its_samples_in_the_same_order(self, regime: str, toy: ToyPair) -> None:
        assert epoch(toy, regime)[0].tolist() == epoch(toy, "paired")[0].tolist()

    def test_rows_correspond_as_far_as_the_regime_says(self, regime: str, toy: ToyPair) -> None:
        partner = toy.split(regime).student.partner
        for meeting in sampler(toy, regime).epoch(0, 1):
            if regime in INDEPENDENT:
                assert meeting.matched is None
            elif regime in BY_CLASS:
                assert meeting.matched.all()
            else:
                assert meeting.matched.tolist() == (partner[meeting.student] >= 0).tolist()

    def test_disjoint_regimes_meet_no_instance_that_the_student_trains_on(
        self, regime: str, toy: ToyPair
    ) -> None:
        student, teacher = rows(toy, regime)
        common = set(toy.student.pair_ids[student]) & set(toy.teacher.pair_ids[teacher])
        disjoint = regime in ("class_cond_disjoint", "disjoint", "disjoint_teacher", "unlabelled_student")
        assert bool(common) != disjoint

    def test_teacher_rows_are_training_rows(self, regime: str, toy: ToyPair) -> None:
        assert set(rows(toy, regime)[1]) <= set(toy.teacher.rows("train"))


class TestInstances:
    def test_paired_rows_show_the_same_instance(self, toy: ToyPair) -> None:
        student, teacher = rows(toy, "paired")
        assert toy.student.pair_ids[student].tolist() == toy.teacher.pair_ids[teacher].tolist()

    def test_a_fraction_meets_its_partner_in_every_epoch_and_the_rest_someone_else(
        self, toy: ToyPair
    ) -> None:
        kept = toy.split("frac0.5").student.partner >= 0
        same = np.zeros((20, 80), dtype=bool)
        for number in range(20):
            student, teacher = rows(toy, "frac0.5", number)
            order = epoch(toy, "frac0.5", number)[0]
            same[number, order] = toy.student.pair_ids[student] == toy.teacher.pair_ids[teacher]
        assert same[:, kept].all()
        assert same[:, ~kept].mean() < 0.05  # 1 in 160 by chance


@pytest.mark.parametrize("regime", BY_CLASS)
class TestClasses:
    def test_rows_share_their_class(self, regime: str, toy: ToyPair) -> None:
        student, teacher = rows(toy, regime)
        assert toy.student.labels[student].tolist() == toy.teacher.labels[teacher].tolist()

    def test_partners_are_uniform_within_the_class(self, regime: str, toy: ToyPair) -> None:
        """A chi-square test over 300 epochs, at the level 1e-4; the draws are seeded."""
        number = 300
        teacher = np.concatenate([epoch(toy, regime, one)[1] for one in range(number)])
        counts = np.bincount(teacher, minlength=int(toy.split(regime).teacher.meets.sum()))
        expected = number * 80 / len(counts)
        statistic = ((counts - expected) ** 2 / expected).sum()
        assert statistic < chi2.isf(1e-4, df=len(counts) - 4)

    def test_a_sample_keeps_its_partner_whatever_stands_beside_it(self, regime: str, toy: ToyPair) -> None:
        """Draws are keyed by seed, epoch and sample."""
        small, large = (joined(list(sampler(toy, regime, size).epoch(0, 1))) for size in (8, 80))
        assert dict(zip(*small, strict=True)) == dict(zip(*large, strict=True))


@pytest.mark.parametrize("regime", INDEPENDENT)
class TestIndependence:
    def test_teacher_rows_come_once_before_any_comes_twice(self, regime: str, toy: ToyPair) -> None:
        pool = int(toy.split(regime).teacher.meets.sum())
        teacher = epoch(toy, regime)[1]
        assert len(set(teacher)) == min(pool, 80)

    def test_classes_meet_independently(self, regime: str, toy: ToyPair) -> None:
        """A chi-square test of the table of the two labels over 40 epochs, at the level 1e-4."""
        table = np.zeros((4, 4))
        for number in range(40):
            student, teacher = rows(toy, regime, number)
            np.add.at(table, (toy.student.labels[student], toy.teacher.labels[teacher]), 1)
        expected = table.sum(1, keepdims=True) * table.sum(0, keepdims=True) / table.sum()
        assert ((table - expected) ** 2 / expected).sum() < chi2.isf(1e-4, df=9)


@settings(max_examples=60, deadline=None)
@given(
    students=st.integers(4, 60), pool=st.integers(4, 40), size=st.integers(3, 64),
    regime=st.sampled_from([*BY_CLASS, "shuffled"]),
)  # fmt: skip
def test_any_pool_and_batch_size_gives_full_batches(students: int, pool: int, size: int, regime: str) -> None:
    labels, taught = np.arange(students) % 4, np.arange(pool) % 4
    made = Sampler(find_regime(regime), size, labels, np.full(students, -1), taught)
    meetings = list(made.epoch(0, 1))
    student, teacher = joined(meetings)
    sizes = [len(meeting.student) for meeting in meetings]
    assert len(meetings) == made.steps()
    assert 2 <= min(sizes) <= max(sizes) <= min(size, min(sizes) + 1)
    assert sorted(student) == list(range(students))
    counts = np.bincount(teacher, minlength=pool)
    if regime == "shuffled":
        assert counts.max() - counts.min() <= 1
    else:
        assert (labels[student] == taught[teacher]).all()


def test_a_sample_whose_class_the_teacher_lacks_meets_somebody_unmatched() -> None:
    labels, taught = np.repeat(np.arange(4), 5), np.repeat([0, 1, 3], 4)
    made = Sampler(find_regime("class_cond"), 8, labels, np.full(20, -1), taught)
    for meeting in made.epoch(0, 1):
        assert meeting.matched.tolist() == (labels[meeting.student] != 2).tolist()
        same = taught[meeting.teacher] == labels[meeting.student]
        assert same.tolist() == meeting.matched.tolist()


@pytest.mark.parametrize(("students", "size"), [(0, 8), (1, 8), (3, 2), (81, 2)])
def test_a_batch_of_one_is_refused(students: int, size: int, toy: ToyPair) -> None:
    with pytest.raises(DataError, match=f"{students} training samples"):
        replace(sampler(toy, "shuffled"), batch_size=size, labels=np.zeros(students, dtype=np.int64))
