"""The complementarity hypothesis on finished runs of the toy pair, from files to a file."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.toy import ToyPair, store, toy_samples
from ucmkd.data.pairing import pair_up
from ucmkd.diagnostics import cch as module
from ucmkd.diagnostics.cch import Views, cch, paired_anew, principal_components, shared_share, tied_rows
from ucmkd.errors import DataError, RecordError
from ucmkd.evaluation.cch import BETWEEN, COMPARED, MAIN, TRUE_PAIRS, WITHIN_CLASS
from ucmkd.files import read_json
from ucmkd.information import estimates
from ucmkd.information.decision import keeps_data_processing
from ucmkd.information.estimates import ABOUT_LABELS, Estimate
from ucmkd.training.distill import distill
from ucmkd.training.student import Data
from ucmkd.training.teacher import read_teacher

ROWS = 48
"""Validation rows of the toy pair."""


@pytest.fixture(scope="module")
def alone(toy: ToyPair, teachers: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two students trained alone."""
    folder = tmp_path_factory.mktemp("alone") / "block0"
    distill(**toy.student_job(folder, teachers, "ce", "alone"))
    return folder


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Replace the estimators by numbers that depend on their names, and note what they are asked for."""
    calls: list[tuple[Any, ...]] = []

    def number(name: str) -> Estimate:
        value = {"ksg": 0.9, "gaussian_cca": 0.5, "infonce": 0.7, "mine": 0.1}.get(name, 0.4)
        return Estimate(value, value - 0.05, value + 0.05, 3.0 if name == "infonce" else None)

    def between(a: Any, b: Any, name: str, *, seed: int) -> Estimate:
        calls.append((name, a, b, seed))
        return number(name)

    def about(a: Any, labels: Any, name: str, *, seed: int) -> Estimate:
        calls.append((name, a, labels, seed))
        return number(name)

    monkeypatch.setattr(estimates, "information_between", between)
    monkeypatch.setattr(estimates, "information_about_labels", about)
    return calls


def job(toy: ToyPair, students: Path, teachers: Path, output: Path, **changes: Any) -> dict[str, Any]:
    told = {
        "pair": "toy", "seeds": [0, 1], "student_folder": str(students), "teacher_folder": str(teachers),
        "pair_folder": str(toy.pair_folder("alone")), "student_data": str(toy.folder / "student"),
        "teacher_data": str(toy.folder / "teacher"), "paired": True, "code": "c0", "output": str(output),
    } | changes  # fmt: skip
    cch(**told)
    return dict(read_json(output))


@pytest.mark.usefixtures("asked")
class TestFile:
    def test_it_holds_every_estimate_of_every_seed(
        self, toy: ToyPair, alone: Path, teachers: Path, tmp_path: Path
    ) -> None:
        told = job(toy, alone, teachers, tmp_path / "block0.json")
        assert told["pair"] == "toy"
        assert {row["seed"] for row in told["rows"]} == {0, 1}
        expected = {
            (pairing, BETWEEN, name) for pairing in (TRUE_PAIRS, WITHIN_CLASS) for name in estimates.BETWEEN
        }
        expected |= {(TRUE_PAIRS, about, name) for about in ("I(S;Y)", "I(T;Y)") for name in ABOUT_LABELS}
        for seed in (0, 1):
            of_seed = [row for row in told["rows"] if row["seed"] == seed]
            assert {(row["pairing"], row["quantity"], row["estimator"]) for row in of_seed} == expected
            assert len(of_seed) == len(expected)
        capped = {row["estimator"] for row in told["rows"] if row["cap"] is not None}
        assert capped == {"infonce"}

    def test_verdicts_follow_from_the_estimates(
        self, toy: ToyPair, alone: Path, teachers: Path, tmp_path: Path
    ) -> None:
        told = job(toy, alone, teachers, tmp_path / "block0.json", seeds=[0])
        verdicts = {(row["between"], row["about"]): row for row in told["verdicts"]
                    if row["pairing"] == TRUE_PAIRS}  # fmt: skip
        assert set(verdicts) == set(COMPARED)
        assert MAIN in verdicts
        assert {names: row["verdict"] for names, row in verdicts.items()} == {
            ("ksg", "mixed_ksg"): "help",
            ("gaussian_cca", "gaussian_cca"): "undecided",
            ("infonce", "probe"): "help",
            ("mine", "probe"): "no help",
        }
        margins = [verdicts[names]["margin"] for names in COMPARED]
        assert margins == pytest.approx([0.5, 0.0, 0.3, -0.3])

    def test_facts_are_those_of_the_teacher(
        self, toy: ToyPair, alone: Path, teachers: Path, tmp_path: Path
    ) -> None:
        told = job(toy, alone, teachers, tmp_path / "block0.json")
        facts = {(fact["seed"], fact["name"]): fact["value"] for fact in told["facts"]}
        for record in read_json(teachers / "records.json"):
            accuracy = facts[record["seed"], "teacher_accuracy"]
            assert accuracy == record["scores"]["val"]["accuracy"]
            assert 0 <= facts[record["seed"], "gaussian_u_star"] <= 1
            assert facts[record["seed"], "gaussian_gain"] >= 0
            assert facts[record["seed"], "mfh_gamma"] <= 1

    def test_without_pairs_nothing_is_said_of_the_joint_law(
        self, toy: ToyPair, alone: Path, teachers: Path, tmp_path: Path, asked: list[Any]
    ) -> None:
        told = job(toy, alone, teachers, tmp_path / "block0.json", paired=False, seeds=[0])
        shared = [row for row in told["rows"] if row["quantity"] == BETWEEN]
        assert shared
        assert all(row[name] is None for row in shared for name in ("value", "low", "high", "cap"))
        assert {(row["verdict"], row["margin"]) for row in told["verdicts"]} == {("not identifiable", None)}
        assert all(row["value"] is not None for row in told["rows"] if row["quantity"] != BETWEEN)
        assert {name for name, *_ in asked} == set(ABOUT_LABELS)
        facts = {fact["name"]: fact["value"] for fact in told["facts"]}
        assert facts.pop("teacher_accuracy") > 0.25
        assert set(facts.values()) == {None}

    @pytest.mark.parametrize("limit", ["FEWEST_ROWS", "FEWEST_OF_A_CLASS"])
    def test_too_few_rows_are_said_to_be_too_few(
        self,
        toy: ToyPair,
        alone: Path,
        teachers: Path,
        tmp_path: Path,
        asked: list[Any],
        limit: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(estimates, limit, 10**6)
        told = job(toy, alone, teachers, tmp_path / "block0.json", seeds=[0])
        assert {row["value"] for row in told["rows"]} == {None}
        assert {(row["verdict"], row["margin"]) for row in told["verdicts"]} == {("too few rows", None)}
        assert not asked
        facts = {fact["name"]: fact["value"] for fact in told["facts"]}
        assert facts.pop("teacher_accuracy") > 0.25
        assert set(facts.values()) == {None}

    def test_no_test_sample_is_read(
        self, toy: ToyPair, alone: Path, teachers: Path, tmp_path: Path, asked: list[Any]
    ) -> None:
        job(toy, alone, teachers, tmp_path / "block0.json", seeds=[1])
        val = toy.teacher.rows("val")
        said = read_teacher(teachers, 1)
        labels = toy.teacher.labels[val]
        for name, first, second, _ in asked:
            assert len(first) == len(second) == ROWS
            if name in ("ksg", "infonce", "mine"):
                met = [int(np.flatnonzero((said.features == row).all(axis=1))[0]) for row in first]
                assert sorted(met) == sorted(val.tolist())
                assert toy.teacher.labels[met].tolist() == labels.tolist()

    def test_the_second_pairing_is_of_other_instances_of_the_class(
        self, toy: ToyPair, alone: Path, teachers: Path, tmp_path: Path, asked: list[Any]
    ) -> None:
        job(toy, alone, teachers, tmp_path / "block0.json", seeds=[0])
        true, anew = (first for name, first, *_ in asked if name == "ksg")
        students = [second for name, _, second, _ in asked if name == "ksg"]
        np.testing.assert_array_equal(students[0], students[1])
        assert not (true == anew).all(axis=1).any()

    def test_a_missing_student_is_named(
        self, toy: ToyPair, alone: Path, teachers: Path, tmp_path: Path
    ) -> None:
        with pytest.raises(RecordError, match="no student with seed 7"):
            job(toy, alone, teachers, tmp_path / "block0.json", seeds=[7])
        assert not (tmp_path / "block0.json").exists()


class TestTiedRows:
    def test_rows_of_both_datasets_show_the_same_validation_instances(self, toy: ToyPair) -> None:
        student, teacher = tied_rows(Data(toy.student, toy.teacher, toy.split("alone")))
        assert toy.student.pair_ids[student].tolist() == toy.teacher.pair_ids[teacher].tolist()
        assert sorted(student.tolist()) == toy.student.rows("val").tolist()

    def test_instances_that_one_side_lacks_are_left_out(self, tmp_path: Path) -> None:
        """The teacher's rows stand in another order, and its last validation instances are of nobody."""
        samples = toy_samples("teacher")
        order = np.random.default_rng(0).permutation(len(samples.ids))
        names = [f"j{row}" if samples.split[row] == "val" and row % 3 == 0 else samples.pair_ids[row]
                 for row in order]  # fmt: skip
        store(tmp_path / "student", toy_samples("student"))
        store(tmp_path / "teacher", replace(
            samples, inputs=samples.inputs[order], labels=samples.labels[order],
            ids=[samples.ids[row] for row in order], groups=names, pair_ids=names,
            split=[samples.split[row] for row in order],
        ))  # fmt: skip
        pair_up(pair="toy", teacher=str(tmp_path / "teacher"), student=str(tmp_path / "student"),
                regime="alone", labels_per_class=20, student_share=None, shift=None,
                folder=str(tmp_path / "pair"))  # fmt: skip
        data = Data.read(*(str(tmp_path / name) for name in ("student", "teacher", "pair")))
        student, teacher = tied_rows(data)
        assert data.learning.pair_ids[student].tolist() == data.teaching.pair_ids[teacher].tolist()
        wanted = {name for name, split in zip(samples.pair_ids, samples.split, strict=True)
                  if split == "val" and int(name[1:]) % 3}  # fmt: skip
        assert set(data.learning.pair_ids[student]) == wanted

    def test_no_common_instance_is_refused(self, toy: ToyPair) -> None:
        nobody = replace(toy.teacher, pair_ids=np.full(len(toy.teacher.pair_ids), ""))
        with pytest.raises(DataError, match="no instance stands in the validation split of both"):
            tied_rows(Data(toy.student, nobody, toy.split("alone")))


class TestPairingAnew:
    def test_rows_stay_in_their_class_and_leave_their_place(self) -> None:
        labels = np.array([0, 1, 0, 2, 1, 0, 3, 3, 1, 0])
        order = paired_anew(labels, "a_b", 3)
        assert sorted(order) == list(range(10))
        assert labels[order].tolist() == labels.tolist()
        assert [row for row in range(10) if order[row] == row] == [3]

    def test_it_depends_on_the_seed(self) -> None:
        labels = np.repeat([0, 1], 20)
        first, again, other = (paired_anew(labels, "a_b", seed) for seed in (0, 0, 1))
        assert first.tolist() == again.tolist() != other.tolist()

    @pytest.mark.parametrize("name", ["ksg", "gaussian_cca"])
    def test_within_classes_estimators_keep_what_data_processing_allows(self, name: str) -> None:
        """Views share much beyond the class, so true pairs exceed what the student knows of labels."""
        draw = np.random.default_rng(5)
        labels = np.repeat(np.arange(4), 60)
        shared = 2.5 * np.eye(4, 5)[labels] + draw.normal(size=(240, 5))
        student, teacher = (shared + 0.2 * draw.normal(size=shared.shape) for _ in range(2))
        views = Views(student, labels, teacher, labels, np.zeros((240, 4)), paired=True)
        about = {"ksg": "mixed_ksg"}.get(name, name)
        order = paired_anew(labels, "a_b", 0)
        known = [estimates.information_about_labels(each, labels, about, seed=0)
                 for each in (views.teacher, views.student)]  # fmt: skip
        true, anew = (estimates.information_between(each, views.student, name, seed=0)
                      for each in (views.teacher, views.teacher[order]))  # fmt: skip
        assert keeps_data_processing(anew, *known)
        assert not keeps_data_processing(true, *known)


class TestSharedShare:
    def test_it_is_the_share_of_the_decision_that_the_student_sees(self) -> None:
        """Logits are what is seen plus as much that is not: independent, of equal variance."""
        draw = np.random.default_rng(0)
        seen, hidden = draw.normal(size=(2, 4000, 3))
        logits = seen + hidden
        assert shared_share(seen, logits, 0) == pytest.approx(0.5, abs=0.03)
        assert shared_share(seen, seen, 0) == pytest.approx(1, abs=1e-3)
        assert shared_share(seen, hidden, 0) == pytest.approx(0, abs=0.02)

    def test_it_ignores_what_softmax_ignores(self) -> None:
        draw = np.random.default_rng(1)
        seen, noise = draw.normal(size=(2, 200, 4))
        shift = 10 * draw.normal(size=(200, 1))
        assert shared_share(seen, seen + noise + shift, 0) == pytest.approx(
            shared_share(seen, seen + noise, 0)
        )

    def test_more_columns_than_rows_do_not_feign_a_share(self) -> None:
        draw = np.random.default_rng(2)
        assert shared_share(draw.normal(size=(50, 64)), draw.normal(size=(50, 4)), 0) < 0.1

    def test_a_teacher_that_says_one_thing_is_refused(self) -> None:
        with pytest.raises(DataError, match="the same of every validation row"):
            shared_share(np.random.default_rng(0).normal(size=(50, 3)), np.ones((50, 4)), 0)


def test_principal_components_are_those_of_scikit_learn() -> None:
    from sklearn.decomposition import PCA

    features = np.random.default_rng(0).normal(size=(60, 5)) @ np.diag([3, 2, 1, 0.5, 0.0])
    mine, theirs = principal_components(features, 3), PCA(3).fit_transform(features)
    np.testing.assert_allclose(np.abs(mine), np.abs(theirs), atol=1e-10)
    assert principal_components(features, 16).shape == (60, 4)


def test_students_are_run_on_validation_rows_alone(
    toy: ToyPair,
    alone: Path,
    teachers: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    asked: list[Any],
) -> None:
    rows: list[int] = []
    outputs = module.student_outputs

    def noting(folder: Any, record: Any, data: Any, of: Any) -> Any:
        rows.extend(of.tolist())
        return outputs(folder, record, data, of)

    monkeypatch.setattr(module, "student_outputs", noting)
    job(toy, alone, teachers, tmp_path / "block0.json", seeds=[0])
    assert asked
    assert set(rows) == set(toy.student.rows("val").tolist())
