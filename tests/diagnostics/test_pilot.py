"""Pilots of the toy pair: short students that never meet test rows."""

from pathlib import Path
from typing import Any

import pytest

from tests.toy import ToyPair
from ucmkd.diagnostics.pilot import pilot, shortened
from ucmkd.errors import ConfigError
from ucmkd.files import read_json
from ucmkd.training import student as student_module


def job(toy: ToyPair, teachers: Path, folder: Path, method: str = "kd", **changes: Any) -> list[Any]:
    regime = changes.pop("regime", "paired" if method == "kd" else "alone")
    told = toy.student_job(folder, teachers, method, regime)
    for name in ("variant", "control", "tuned", "own"):
        del told[name]
    recipes = {role: {**recipe, "epochs": 21} for role, recipe in told["recipes"].items()}
    pilot(**told | {"recipes": recipes} | changes)
    return list(read_json(folder / "records.json"))


@pytest.mark.parametrize(("epochs", "left"), [(1, 1), (9, 1), (10, 1), (11, 2), (60, 6), (70, 7), (100, 10)])
def test_a_tenth_of_the_epochs_is_left_rounded_up(epochs: int, left: int) -> None:
    short = shortened({"epochs": epochs, "evaluations": 10, "noise": 0.1})
    assert short == {"epochs": left, "evaluations": 1, "noise": 0.1}


@pytest.mark.parametrize("method", ["ce", "kd"])
def test_it_leaves_validation_scores_of_short_students(
    method: str, toy: ToyPair, teachers: Path, tmp_path: Path
) -> None:
    records = job(toy, teachers, tmp_path / "block0", method)
    assert [record["seed"] for record in records] == [0, 1]
    for record in records:
        assert (record["stage"], record["method"], record["variant"]) == ("pilot", method, "pilot")
        assert set(record["scores"]) == {"val"}
        assert (record["recipe"]["epochs"], record["best_epoch"]) == (3, 3)


def test_the_teachers_recipe_is_cut_too(toy: ToyPair, teachers: Path, tmp_path: Path) -> None:
    records = job(toy, teachers, tmp_path / "block0", "ce_teacher_recipe", seeds=[0])
    assert records[0]["recipe"]["epochs"] == 3
    assert records[0]["recipe"]["optimiser"] == "adamw"


def test_no_test_sample_is_read(
    toy: ToyPair, teachers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: set[int] = set()

    class Recorded(student_module.Inputs):
        def __init__(self, data: Any, rows: Any, *others: Any) -> None:
            super().__init__(data, rows, *others)
            read.update(rows.tolist())

    monkeypatch.setattr(student_module, "Inputs", Recorded)
    job(toy, teachers, tmp_path / "block0", seeds=[0])
    assert read
    assert not read & set(toy.student.rows("test").tolist())


def test_a_finished_pilot_is_not_trained_again(
    toy: ToyPair, teachers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = job(toy, teachers, tmp_path / "block0")
    trained: list[str] = []
    fitted = student_module.Runner.fitted
    monkeypatch.setattr(student_module.Runner, "fitted", lambda *told: trained.append("") or fitted(*told))
    assert job(toy, teachers, tmp_path / "block0") == first
    assert not trained
    job(toy, teachers, tmp_path / "block0", code="c1")
    assert len(trained) == 2


def test_what_the_regime_does_not_give_is_refused(toy: ToyPair, teachers: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'kd'.*'alone'"):
        job(toy, teachers, tmp_path / "block0", regime="alone")
    assert not (tmp_path / "block0").exists()
