"""Shifts: what the presets are, and which rows they leave."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import toy as make
from tests.toy import PER_CLASS
from ucmkd.data.pairing import Pair, pair_up, read_pair
from ucmkd.data.prepared import read_prepared
from ucmkd.data.shifting import Pool, shift_pools
from ucmkd.data.shifts import LEGACY, PRESETS, Shift, find_shift, shift_names
from ucmkd.errors import ConfigError, DataError
from ucmkd.settings import plain

CLASSES, EACH = 5, 40
RELEASED = {
    "legacy_mild": (0.7, 0.3, 5),
    "legacy_moderate": (0.5, 0.5, 10),
    "legacy_hard": (0.3, 0.8, 50),
    "legacy_marginal_only": (0.5, None, 1),
    "legacy_domain_only": (None, 0.5, 1),
    "legacy_imbalance_only": (None, None, 10),
    "legacy_clean": (None, None, 1),
}
"""The published table: the audio side's share, the level, the factor of imbalance."""


def pools(paired: bool = False) -> tuple[Pool, Pool]:
    """Two sides with as many rows of every class, in no order; row i of both shows instance i."""
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(CLASSES), EACH))
    names = np.array([f"i{row}" for row in range(len(labels))] if paired else [""] * len(labels))
    pool = Pool(np.arange(len(labels)), labels, names)
    return pool, replace(pool)


def counts(pool: Pool) -> list[int]:
    return np.bincount(pool.labels[pool.rows], minlength=CLASSES).tolist()


class TestPresets:
    @pytest.mark.parametrize("name", LEGACY)
    def test_legacy_numbers_are_the_released_ones(self, name: str) -> None:
        share, level, factor = RELEASED[name]
        for_audio_student = find_shift(name, {}, student="audio", teacher="image")
        assert for_audio_student.student_instances == share
        assert for_audio_student.student_imbalance == factor
        for_image_student = find_shift(name, {}, student="image", teacher="audio")
        assert for_image_student.student_instances == (None if share is None else pytest.approx(1 - share))
        assert for_image_student.teacher_imbalance == factor
        for shift in (for_audio_student, for_image_student):
            assert shift.legacy_level == level
            assert not shift.teacher_inside
            assert shift.student_test_snr_db == math.inf

    def test_corrected_ones_train_the_teacher_inside(self) -> None:
        assert all(shift.teacher_inside and shift.legacy_level is None for shift in PRESETS.values())

    def test_a_definition_goes_before_a_preset(self) -> None:
        found = find_shift("easy", {"easy": {"student_share": 0.5}}, student="image", teacher="image")
        assert found == Shift(student_share=0.5)
        assert shift_names({"mine": {}})[-1] == "mine"

    @pytest.mark.parametrize(
        "values",
        [
            {"student_share": 0.0},
            {"teacher_share": 1.5},
            {"student_instances": 1.0},
            {"student_imbalance": 0.5},
            {"teacher_imbalance": math.inf},
            {"student_missing": -1},
            {"legacy_level": 2.0},
        ],
    )
    def test_impossible_values_are_refused(self, values: dict[str, Any]) -> None:
        with pytest.raises(ConfigError, match=next(iter(values))):
            find_shift("mine", {"mine": values}, student="image", teacher="image")


class TestRows:
    def test_no_change_keeps_everything(self) -> None:
        student, teacher = pools()
        assert all(
            np.array_equal(after.rows, before.rows)
            for after, before in zip(
                shift_pools(Shift(), "p", student, teacher, CLASSES), (student, teacher), strict=True
            )
        )

    def test_a_share_is_kept_of_every_class(self) -> None:
        learned, taught = shift_pools(Shift(student_share=0.3, teacher_share=0.5), "p", *pools(), CLASSES)
        assert counts(learned) == [12] * CLASSES
        assert counts(taught) == [20] * CLASSES

    def test_a_long_tail_falls_geometrically(self) -> None:
        learned, taught = shift_pools(
            Shift(student_imbalance=10.0, teacher_imbalance=4.0), "p", *pools(), CLASSES
        )
        for pool, factor in ((learned, 10.0), (taught, 4.0)):
            expected = [round(EACH * factor ** (-rank / (CLASSES - 1))) for rank in range(CLASSES)]
            assert sorted(counts(pool), reverse=True) == expected

    def test_the_order_of_classes_differs_between_sides(self) -> None:
        shift = Shift(student_imbalance=10.0, teacher_imbalance=10.0)
        orders = [
            [tuple(np.argsort(counts(pool))) for pool in shift_pools(shift, pair, *pools(), CLASSES)]
            for pair in ("a", "b", "c", "d")
        ]
        assert any(student != teacher for student, teacher in orders)

    def test_refilling_restores_the_frequencies_and_not_the_diversity(self) -> None:
        shift = Shift(student_imbalance=10.0)
        thin, _ = shift_pools(shift, "p", *pools(), CLASSES)
        full, _ = shift_pools(replace(shift, refill=True), "p", *pools(), CLASSES)
        assert counts(full) == [EACH] * CLASSES
        assert set(full.rows) == set(thin.rows)

    def test_missing_classes_are_gone_on_their_side_only(self) -> None:
        learned, taught = shift_pools(Shift(student_missing=2), "p", *pools(), CLASSES)
        assert sorted(counts(learned)) == [0, 0, EACH, EACH, EACH]
        assert counts(taught) == [EACH] * CLASSES

    def test_one_class_at_least_must_stay(self) -> None:
        with pytest.raises(DataError, match="leave at least one"):
            shift_pools(Shift(teacher_missing=CLASSES), "p", *pools(), CLASSES)

    @pytest.mark.parametrize("paired", [True, False])
    def test_instances_are_divided_between_the_sides(self, paired: bool) -> None:
        learned, taught = shift_pools(Shift(student_instances=0.7), "p", *pools(paired), CLASSES)
        assert counts(learned) == [28] * CLASSES
        assert counts(taught) == [12] * CLASSES
        if paired:
            assert not set(learned.rows) & set(taught.rows)

    def test_partners_are_the_last_that_a_share_takes_away(self) -> None:
        learned, taught = shift_pools(Shift(student_share=0.4, teacher_share=0.5), "p", *pools(True), CLASSES)
        assert set(learned.rows) <= set(taught.rows)
        assert counts(taught) == [20] * CLASSES

    def test_rows_depend_on_the_pair_and_not_on_the_call(self) -> None:
        first, second, other = (
            shift_pools(Shift(student_share=0.5), pair, *pools(), CLASSES)[0].rows.tolist()
            for pair in ("p", "p", "q")
        )
        assert first == second != other


@pytest.fixture
def shifted(tmp_path: Path) -> Callable[..., Pair]:
    """Pair up the toy pair under a shift."""
    for side in ("teacher", "student"):
        make.store(tmp_path / side, make.toy_samples(side))

    def run(regime: str, shift: Shift) -> Pair:
        pair_up(
            pair="toy",
            teacher=str(tmp_path / "teacher"),
            student=str(tmp_path / "student"),
            regime=f"{regime}+mine",
            labels_per_class=None,
            student_share=0.5,
            shift=plain(shift),
            folder=str(tmp_path / "pair"),
        )
        return read_pair(tmp_path / "pair")

    return run


class TestPairs:
    def test_the_pair_remembers_its_shift(self, shifted: Callable[..., Pair]) -> None:
        shift = Shift(student_snr_db=3.0, teacher_share=0.5)
        pair = shifted("class_cond", shift)
        assert pair.shift == shift
        assert (pair.regime.name, pair.regime.shift, pair.regime.correspondence) == (
            "class_cond+mine",
            "mine",
            "class",
        )

    def test_student_rows_are_the_same_in_every_regime_of_a_shift(self, shifted: Callable[..., Pair]) -> None:
        shift = Shift(student_imbalance=4.0)
        rows = [shifted(regime, shift).student.train.tolist() for regime in ("class_cond", "disjoint")]
        assert rows[0] == rows[1]

    def test_evaluation_rows_stay(self, shifted: Callable[..., Pair], tmp_path: Path) -> None:
        pair = shifted("class_cond", Shift(student_share=0.2, teacher_share=0.2))
        for side, name in ((pair.student, "student"), (pair.teacher, "teacher")):
            data = read_prepared(tmp_path / name)
            assert side.val.tolist() == data.rows("val").tolist()
            assert side.test.tolist() == data.rows("test").tolist()

    def test_divided_instances_leave_the_teacher_none_of_the_students(
        self, shifted: Callable[..., Pair], tmp_path: Path
    ) -> None:
        pair = shifted("class_cond", Shift(student_instances=0.5))
        student, teacher = read_prepared(tmp_path / "student"), read_prepared(tmp_path / "teacher")
        assert not set(student.pair_ids[pair.student.train]) & set(teacher.pair_ids[pair.teacher.train])
        assert pair.teacher.own.all()

    def test_a_class_that_the_teacher_misses_is_allowed_and_one_more_is_not(
        self, shifted: Callable[..., Pair]
    ) -> None:
        pair = shifted("class_cond", Shift(teacher_missing=1))
        assert len(pair.teacher.train) == 3 * PER_CLASS["train"]
        with pytest.raises(DataError, match="no meeting teacher row of class"):
            shifted("disjoint", Shift(student_share=1.0, teacher_share=0.01))
