"""Which rows a pair uses in each regime, and what it refuses."""

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import toy as make
from tests.toy import LABELS_PER_CLASS, PER_CLASS, ToyPair
from ucmkd.data.base import Samples
from ucmkd.data.pairing import SHOWN_PER_CLASS, Pair, pair_up, read_pair
from ucmkd.data.regimes import ALONE, find_regime, regime_names
from ucmkd.errors import ConfigError, DataError
from ucmkd.files import read_json

REGIMES = [ALONE, *regime_names()]
Job = Callable[..., Pair]


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """Store changed samples of either side and pair them up."""

    def run(
        regime: str = "paired",
        *,
        teacher: Samples | None = None,
        student: Samples | None = None,
        instances: tuple[str | None, str | None] = ("toy", "toy"),
        labels_per_class: int | None = LABELS_PER_CLASS,
        student_share: float | None = None,
    ) -> Pair:
        for name, given, space in zip(("teacher", "student"), (teacher, student), instances, strict=True):
            make.store(tmp_path / name, given or make.toy_samples(name), space)
        pair_up(
            pair="toy",
            teacher=str(tmp_path / "teacher"),
            student=str(tmp_path / "student"),
            regime=regime,
            labels_per_class=labels_per_class,
            student_share=student_share,
            shift=None,
            folder=str(tmp_path / "pair"),
        )
        return read_pair(tmp_path / "pair")

    return run


def with_value(samples: Samples, column: str, row: int, value: Any) -> Samples:
    values = list(getattr(samples, column))
    values[row] = value
    return replace(samples, **{column: values})


@pytest.mark.parametrize("regime", REGIMES)
class TestEveryRegime:
    def test_the_student_has_the_same_rows(self, regime: str, toy: ToyPair) -> None:
        split, first = toy.split(regime), toy.split("paired")
        for part in ("train", "val", "test"):
            assert getattr(split.student, part).tolist() == getattr(first.student, part).tolist()
        assert np.bincount(toy.student.labels[split.student.train]).tolist() == [LABELS_PER_CLASS] * 4

    def test_evaluation_rows_are_the_datasets_splits(self, regime: str, toy: ToyPair) -> None:
        split = toy.split(regime)
        for side, data in (split.student, toy.student), (split.teacher, toy.teacher):
            assert side.val.tolist() == data.rows("val").tolist()
            assert side.test.tolist() == data.rows("test").tolist()
            assert set(side.train) <= set(data.rows("train"))

    def test_a_teacher_row_is_own_if_the_student_trains_on_no_such_instance(
        self, regime: str, toy: ToyPair
    ) -> None:
        split = toy.split(regime)
        seen = set(toy.student.pair_ids[split.student.train])
        assert split.teacher.own.tolist() == [
            name not in seen for name in toy.teacher.pair_ids[split.teacher.train]
        ]

    def test_disjoint_students_meet_own_rows_alone_and_others_every_row(
        self, regime: str, toy: ToyPair
    ) -> None:
        split = toy.split(regime)
        disjoint = regime in ("class_cond_disjoint", "disjoint", "disjoint_teacher", "unlabelled_student")
        assert split.teacher.meets.tolist() == (split.teacher.own | (not disjoint)).tolist()

    def test_the_teachers_pool_is_its_own_in_one_regime(self, regime: str, toy: ToyPair) -> None:
        split = toy.split(regime)
        assert (split.regime.teacher_pool == "own") == (regime == "disjoint_teacher")
        assert len(split.teacher_rows("own")) == 160 - 80
        assert len(split.teacher_rows("full")) == 160

    def test_labels_are_hidden_in_one_regime(self, regime: str, toy: ToyPair) -> None:
        split = toy.split(regime)
        shown = np.bincount(toy.student.labels[split.student.train[split.student.labelled]]).tolist()
        assert shown == [SHOWN_PER_CLASS if regime == "unlabelled_student" else LABELS_PER_CLASS] * 4

    def test_partners_show_the_same_instance_and_exist_where_rows_are_paired(
        self, regime: str, toy: ToyPair
    ) -> None:
        split = toy.split(regime)
        kept = split.student.partner >= 0
        partners = split.student.partner[kept]
        assert (
            toy.teacher.pair_ids[partners].tolist()
            == toy.student.pair_ids[split.student.train[kept]].tolist()
        )
        assert set(partners) <= set(split.teacher.train)
        assert kept.mean() == {"paired": 1.0, "frac0.5": 0.5}.get(regime, 0.0)


@pytest.mark.parametrize("fraction", ["0.1", "0.33", "0.9"])
def test_a_fraction_keeps_exactly_its_share_of_partners(fraction: str, toy: ToyPair) -> None:
    kept = toy.split(f"frac{fraction}").student.partner >= 0
    assert kept.sum() == round(float(fraction) * 80)
    assert 0 < kept[:40].sum() < kept.sum()


def test_a_larger_fraction_keeps_the_partners_of_a_smaller_one(toy: ToyPair) -> None:
    small, large = (toy.split(f"frac{share}").student.partner for share in (0.3, 0.6))
    assert (large[small >= 0] == small[small >= 0]).all()


@pytest.mark.parametrize("name", ["frac0", "frac0.0", "frac1.0", "frac2", "frac", "pair", "Paired"])
def test_a_regime_that_does_not_exist_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"there is no '{name}'; known: paired, frac0.5"):
        find_regime(name)


class TestStudentRows:
    def test_are_all_by_default(self, job: Job) -> None:
        assert len(job(labels_per_class=None).student.train) == 4 * PER_CLASS["train"]

    @pytest.mark.parametrize(("share", "count"), [(1.0, 40), (0.5, 20), (0.26, 10)])
    def test_are_a_share_of_each_class(self, share: float, count: int, job: Job) -> None:
        split = job(labels_per_class=None, student_share=share)
        labels = make.toy_samples("student").labels
        assert np.bincount(labels[split.student.train]).tolist() == [count] * 4

    @pytest.mark.parametrize(
        ("count", "share"), [(41, None), (0, None), (None, 0.0), (None, 0.01), (None, 1.2)]
    )
    def test_must_be_there_and_must_be_some(self, count: int | None, share: float | None, job: Job) -> None:
        with pytest.raises(DataError, match="class 'circle' has 40 training samples"):
            job(labels_per_class=count, student_share=share)


class TestRefusals:
    def test_an_instance_in_different_splits_of_the_two_sides(self, job: Job) -> None:
        student = make.toy_samples("student")
        row = list(student.split).index("test")
        moved = with_value(with_value(student, "pair_ids", row, "i0"), "groups", row, "i0")
        with pytest.raises(DataError, match="instance 'i0' stands in train and, in student, in test"):
            job(student=moved)

    def test_an_instance_in_two_splits_of_one_side(self, job: Job) -> None:
        teacher = make.toy_samples("teacher")
        row = list(teacher.split).index("test")
        with pytest.raises(DataError, match="instance 'i1' stands in train and, in teacher, in test"):
            job(teacher=with_value(teacher, "pair_ids", row, "i1"))

    def test_a_class_that_one_side_does_not_have(self, job: Job) -> None:
        teacher = make.toy_samples("teacher")
        with pytest.raises(DataError, match="class 'ring' is missing on one side"):
            job(teacher=replace(teacher, classes=("circle", "line", "point", "ring")))

    def test_classes_in_another_order(self, job: Job) -> None:
        teacher = make.toy_samples("teacher")
        with pytest.raises(DataError, match="another order"):
            job(teacher=replace(teacher, classes=("line", "circle", "point", "square")))

    @pytest.mark.parametrize("regime", ["disjoint", "class_cond_disjoint", "disjoint_teacher"])
    def test_an_empty_pool(self, regime: str, job: Job) -> None:
        with pytest.raises(
            DataError, match=f"no .* teacher row of class 'circle' is left in regime '{regime}'"
        ):
            job(regime, labels_per_class=None)

    @pytest.mark.parametrize("regime", ["paired", "frac0.5"])
    def test_partners_that_are_missing(self, regime: str, job: Job) -> None:
        with pytest.raises(
            DataError, match=f"'{regime}' needs a partner for every student sample, and 80 have none"
        ):
            job(regime, instances=("toy", None))


class TestInstances:
    def test_nothing_is_paired_where_names_are_of_another_space(self, job: Job) -> None:
        split = job("disjoint_teacher", instances=("toy", "other"))
        assert (split.student.partner == -1).all()
        assert split.teacher.own.all()

    def test_every_teacher_row_that_shows_a_seen_instance_is_kept_out_of_the_own_pool(self, job: Job) -> None:
        """An instance may be shown twice, as two recordings of it are."""
        teacher = make.toy_samples("teacher")
        assert teacher.pair_ids is not None
        names = [f"i{int(name[1:]) // 8 * 4 + int(name[1:]) % 4}" for name in teacher.pair_ids[:160]]
        twice = replace(teacher, pair_ids=[*names, *teacher.pair_ids[160:]])
        split = job("disjoint_teacher", teacher=twice, labels_per_class=5)
        seen = {f"i{row}" for row in split.student.train}
        own = {twice.pair_ids[row] for row in split.teacher.train[split.teacher.own]}
        assert seen & set(names)
        assert not seen & own

    def test_samples_without_an_instance_are_nobodys_partner(self, job: Job) -> None:
        nameless = [replace(make.toy_samples(side), pair_ids=[""] * 256) for side in ("teacher", "student")]
        split = job("disjoint", teacher=nameless[0], student=nameless[1])
        assert split.teacher.own.all()
        with pytest.raises(DataError, match="80 have none"):
            job("paired", teacher=nameless[0], student=nameless[1])


class TestFiles:
    def test_the_card_tells_how_many_rows_there_are(self, toy: ToyPair) -> None:
        card = read_json(toy.pair_folder("unlabelled_student") / "card.json")
        assert card["student_rows"] == {"train": 80, "val": 48, "test": 48}
        assert card["teacher_rows"] == {"train": 160, "val": 48, "test": 48}
        assert (card["labelled_rows"], card["own_teacher_rows"], card["meeting_teacher_rows"]) == (20, 80, 80)
        assert card["paired_by_nature"]
        assert card["data"] == {side: getattr(toy, side).card["sha256"] for side in ("teacher", "student")}

    def test_the_same_pair_is_drawn_again_to_the_last_byte(self, job: Job, tmp_path: Path) -> None:
        def contents() -> list[bytes]:
            job("unlabelled_student")
            return [
                (tmp_path / "pair" / name).read_bytes()
                for name in ("student.csv", "teacher.csv", "card.json")
            ]

        assert contents() == contents()

    @pytest.mark.parametrize("table", ["student.csv", "teacher.csv"])
    @pytest.mark.parametrize("damage", ["missing", "empty", "header", "cut", "words", "short", "column"])
    def test_a_damaged_table_is_refused(self, table: str, damage: str, job: Job, tmp_path: Path) -> None:
        job()
        path = tmp_path / "pair" / table
        rows = list(csv.reader(path.open(encoding="utf-8")))
        if damage == "missing":
            path.unlink()
        else:
            changed = {
                "empty": [],
                "header": rows[1:],
                "cut": rows[:-3],
                "words": [rows[0], ["one", *rows[1][1:]], *rows[2:]],
                "short": [rows[0], rows[1][:2], *rows[2:]],
                "column": [row[:3] for row in rows],
            }[damage]
            path.write_text("".join(",".join(row) + "\n" for row in changed), encoding="utf-8")
        with pytest.raises(DataError, match="delete the folder and run again"):
            read_pair(tmp_path / "pair")
