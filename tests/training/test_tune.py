"""Settings are tried out alike for every method, on validation data and seeds of their own."""

import math
from pathlib import Path
from typing import Any

import pytest

from tests.toy import ToyPair
from ucmkd.blocks import tuning_seeds
from ucmkd.errors import DataError
from ucmkd.files import read_json, write_json
from ucmkd.methods.base import load_method, method_names
from ucmkd.settings import plain
from ucmkd.training import student as student_module
from ucmkd.training.choice import Choice
from ucmkd.training.distill import distill
from ucmkd.training.search import RATE_RANGE, choices, ranges
from ucmkd.training.teacher import train_teachers
from ucmkd.training.tune import best_trial, tune

TRIALS = 3


def job(toy: ToyPair, teachers: Path, folder: Path, method: str = "label_smoothing", **changes: Any) -> None:
    """Tune a method on the toy pair."""
    regime = "alone" if method == "label_smoothing" else "class_cond"
    told = toy.student_job(folder, teachers, method, regime)
    for name in ("variant", "control", "tuned", "own"):
        del told[name]
    tune(**told | {"seeds": tuning_seeds(2), "trials": TRIALS, "settings": settings(method)} | changes)


def settings(method: str) -> dict[str, Any]:
    return plain(load_method(method).settings)


@pytest.fixture(scope="module")
def teachers(toy: ToyPair, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Teachers with the seeds that are tuned on."""
    folder = tmp_path_factory.mktemp("tuning") / "teachers"
    train_teachers(**toy.teacher_job(folder, seeds=tuning_seeds(2)))
    return folder


class TestSearch:
    @pytest.mark.parametrize("name", method_names())
    def test_every_method_has_as_many_valid_trials_and_the_first_is_as_configured(self, name: str) -> None:
        before = settings(name)
        found = choices(name, before, 8)
        assert len(found) == 8
        assert found[0] == Choice()
        for choice in found:
            load_method(name, choice.settings(before))
            assert RATE_RANGE[0] <= choice.rate <= RATE_RANGE[1]

    @pytest.mark.parametrize("name", ["ce", "label_smoothing", "kd", "ucmkd_paper"])
    def test_learning_rates_are_looked_for_alike(self, name: str) -> None:
        """Points lie evenly on a logarithmic scale: as many below the configured rate as above it."""
        logs = [math.log(choice.rate) for choice in choices(name, settings(name), 65)[1:]]
        assert abs(sum(value > 0 for value in logs) - 32) <= 2

    def test_a_weight_without_a_declared_range_is_scaled(self) -> None:
        assert ranges("proto_mse", {"weight": 2.0}) == {"weight": (0.02, 20.0)}
        assert ranges("ce", {}) == {}

    def test_more_trials_keep_those_that_were_tried(self) -> None:
        assert choices("kd", settings("kd"), 9)[:5] == choices("kd", settings("kd"), 5)


class TestTune:
    def test_it_leaves_all_trials_and_the_best(self, toy: ToyPair, teachers: Path, tmp_path: Path) -> None:
        job(toy, teachers, tmp_path / "tuned")
        records = read_json(tmp_path / "tuned" / "records.json")
        assert [(r["trial"], r["seed"]) for r in records] == [
            (trial, seed) for trial in range(TRIALS) for seed in tuning_seeds(2)
        ]
        assert {r["stage"] for r in records} == {"trial"}
        assert len({r["run_key"] for r in records}) == len(records)
        best = read_json(tmp_path / "tuned" / "best.json")
        means = [
            sum(r["scores"]["val"]["accuracy"] for r in records if r["trial"] == trial)
            for trial in range(TRIALS)
        ]
        assert means[best["trial"]] == max(means)

    def test_no_test_sample_is_read(
        self, toy: ToyPair, teachers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        read: set[int] = set()

        class Recorded(student_module.Inputs):
            def __init__(self, data: Any, rows: Any, *others: Any) -> None:
                super().__init__(data, rows, *others)
                read.update(rows.tolist())

        monkeypatch.setattr(student_module, "Inputs", Recorded)
        job(toy, teachers, tmp_path / "tuned")
        assert read
        assert not read & set(toy.student.rows("test").tolist())
        assert all(set(r["scores"]) == {"val"} for r in read_json(tmp_path / "tuned" / "records.json"))

    def test_finished_trials_are_not_trained_again(
        self, toy: ToyPair, teachers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job(toy, teachers, tmp_path / "tuned")
        trained: list[str] = []
        fitted = student_module.Runner.fitted
        monkeypatch.setattr(
            student_module.Runner, "fitted", lambda *told: trained.append("") or fitted(*told)
        )
        job(toy, teachers, tmp_path / "tuned", trials=TRIALS + 1)
        assert len(trained) == 2

    def test_the_choice_enters_the_cell_but_not_where_a_variant_decides(
        self, toy: ToyPair, tmp_path: Path, teachers: Path
    ) -> None:
        write_json(
            tmp_path / "best.json", {"trial": 2, "rate": 0.5, "changes": {"weight": 0.3, "temperature": 2.0}}
        )
        seeds = tuning_seeds(1)
        told = toy.student_job(
            tmp_path / "cell", teachers, "kd", seeds=seeds, tuned=str(tmp_path / "best.json"),
            settings=settings("kd") | {"temperature": 7.0}, own={"temperature": 7.0},
        )  # fmt: skip
        distill(**told)
        (record,) = read_json(tmp_path / "cell" / "records.json")
        assert (record["settings"]["weight"], record["settings"]["temperature"]) == (0.3, 7.0)
        assert record["recipe"]["learning_rate"] == pytest.approx(
            0.5 * told["recipes"]["student"]["learning_rate"]
        )

    def test_a_damaged_choice_is_refused(self, tmp_path: Path) -> None:
        write_json(tmp_path / "best.json", {"trial": 2})
        with pytest.raises(DataError, match="not a choice of settings"):
            Choice.read(str(tmp_path / "best.json"))


def test_ties_go_to_the_lower_loss_and_then_to_the_earlier_trial() -> None:
    def record(trial: int, accuracy: float, nll: float) -> dict[str, Any]:
        return {"trial": trial, "scores": {"val": {"accuracy": accuracy, "nll": nll}}}

    assert best_trial([record(0, 0.5, 1.0), record(1, 0.6, 2.0)]) == 1
    assert best_trial([record(0, 0.5, 1.0), record(1, 0.5, 0.9)]) == 1
    assert best_trial([record(0, 0.5, 1.0), record(1, 0.5, 1.0)]) == 0
    assert best_trial([record(0, 0.5, 1.0), record(0, 0.9, 1.0), record(1, 0.6, 1.0)]) == 0
