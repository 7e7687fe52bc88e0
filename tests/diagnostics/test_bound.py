"""The bound of finished students, from files to a file."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import log_softmax

from tests.toy import ToyPair
from ucmkd.diagnostics import bound as module
from ucmkd.diagnostics.bound import bound
from ucmkd.errors import DataError, RecordError
from ucmkd.files import read_json
from ucmkd.theory.terms import TERMS
from ucmkd.training.distill import distill
from ucmkd.training.teacher import read_teacher


@pytest.fixture(scope="module")
def students(toy: ToyPair, teachers: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two students of KD under class-conditional pairing."""
    folder = tmp_path_factory.mktemp("runs") / "block0"
    distill(**toy.student_job(folder, teachers))
    return folder


def job(toy: ToyPair, teachers: Path, students: Path, output: Path, **changes: Any) -> dict[str, Any]:
    return {
        "pair": "toy", "regime": "class_cond", "method": "kd", "variant": "default", "seeds": [0, 1],
        "run_folder": str(students), "teacher_folder": str(teachers),
        "pair_folder": str(toy.pair_folder("class_cond")),
        "student_data": str(toy.folder / "student"), "teacher_data": str(toy.folder / "teacher"),
        "code": "c0", "output": str(output),
    } | changes  # fmt: skip


@pytest.fixture(scope="module")
def said(
    toy: ToyPair, teachers: Path, students: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    output = tmp_path_factory.mktemp("bound") / "bound.json"
    bound(**job(toy, teachers, students, output))
    return dict(read_json(output))


def of_seed(said: dict[str, Any], seed: int) -> dict[str, float]:
    return {row["term"]: row["value"] for row in said["terms"] if row["seed"] == seed}


def test_the_file_names_the_cell_and_holds_every_term_of_every_seed(said: dict[str, Any]) -> None:
    assert {key: said[key] for key in said if key not in ("terms", "kappa")} == {
        "pair": "toy", "regime": "class_cond", "method": "kd", "variant": "default", "label": "KD",
    }  # fmt: skip
    for seed in (0, 1):
        assert set(of_seed(said, seed)) == set(TERMS)
        shares = [row["share"] for row in said["kappa"] if row["seed"] == seed]
        assert sum(shares) == pytest.approx(1)
    assert len(said["terms"]) == 2 * len(TERMS)


def test_errors_are_those_that_training_reported(
    said: dict[str, Any], teachers: Path, students: Path
) -> None:
    for side, folder in (("student", students), ("teacher", teachers)):
        for record in read_json(folder / "records.json"):
            found = of_seed(said, record["seed"])[f"error/{side}"]
            assert found == pytest.approx(record["scores"]["test"]["nll"], rel=1e-4)


def test_all_test_rows_of_a_small_split_take_part(said: dict[str, Any], toy: ToyPair) -> None:
    found = of_seed(said, 0)
    assert found["n/student"] == len(toy.student.rows("test"))
    assert found["n/teacher"] == len(toy.teacher.rows("test"))


def test_more_rows_than_the_cap_are_drawn_the_same_every_time() -> None:
    rows = np.arange(10, 5000)
    drawn = module._some(rows, "toy", "student")
    assert len(drawn) == len(np.unique(drawn)) == module.ROWS
    assert set(drawn) < set(rows)
    np.testing.assert_array_equal(drawn, module._some(rows, "toy", "student"))
    assert drawn[-1] > 4500


def test_the_same_job_writes_the_same_bytes(
    toy: ToyPair, teachers: Path, students: Path, tmp_path: Path
) -> None:
    for name in ("one.json", "other.json"):
        bound(**job(toy, teachers, students, tmp_path / name, seeds=[1]))
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "other.json").read_bytes()


@pytest.mark.parametrize(("control", "untrained"), [("random", True), ("shuffled", False)])
def test_controls_are_measured_against_the_teacher_whose_outputs_they_saw(
    control: str, untrained: bool, toy: ToyPair, teachers: Path, tmp_path: Path
) -> None:
    distill(**toy.student_job(tmp_path / "block0", teachers, control=control, seeds=[0]))
    bound(**job(toy, teachers, tmp_path / "block0", tmp_path / "bound.json", seeds=[0]))
    rows = toy.teacher.rows("test")
    logits = read_teacher(teachers, 0, untrained=untrained).logits[rows].astype(float)
    expected = -log_softmax(logits, axis=1)[range(len(rows)), toy.teacher.labels[rows]].mean()
    found = of_seed(read_json(tmp_path / "bound.json"), 0)
    assert found["error/teacher"] == pytest.approx(expected)


def test_a_student_without_a_record_is_refused(
    toy: ToyPair, teachers: Path, students: Path, tmp_path: Path
) -> None:
    with pytest.raises(RecordError, match="no student with seed 7"):
        bound(**job(toy, teachers, students, tmp_path / "bound.json", seeds=[0, 7]))
    assert not (tmp_path / "bound.json").exists()


def test_damaged_weights_are_refused(toy: ToyPair, teachers: Path, students: Path, tmp_path: Path) -> None:
    copy = tmp_path / "block0"
    shutil.copytree(students, copy)
    (copy / "models/seed0.safetensors").write_bytes(b"")
    with pytest.raises(DataError, match=r"seed0\.safetensors"):
        bound(**job(toy, teachers, copy, tmp_path / "bound.json"))


def test_the_file_is_plain_json(said: dict[str, Any]) -> None:
    assert json.loads(json.dumps(said, allow_nan=False)) == said
