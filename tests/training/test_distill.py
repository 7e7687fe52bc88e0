"""Students of a cell, from files to files."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file
from scipy.special import log_softmax

from tests import toy as make
from tests.toy import STUDENT, TEACHER, ToyPair
from ucmkd.errors import ConfigError, DataError
from ucmkd.files import read_json
from ucmkd.settings import plain
from ucmkd.training import student as module
from ucmkd.training.distill import distill

KEYS = {
    "run_key", "stage", "pair", "regime", "method", "variant", "seed", "control", "label", "needs",
    "fallback", "settings", "recipe", "model", "scores", "reliability", "best_epoch", "costs", "teacher",
    "digest", "versions", "device", "started", "finished",
}  # fmt: skip
COSTS = {
    "steps", "student_forwards", "student_backwards", "teacher_forwards", "teacher_backwards",
    "aux_parameters", "parameters", "ot_iterations", "step_seconds",
    "evaluation_seconds", "fit_seconds", "write_seconds",
}  # fmt: skip


@pytest.fixture(scope="module")
def block(toy: ToyPair, teachers: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two students of KD under class-conditional pairing."""
    folder = tmp_path_factory.mktemp("runs") / "block0"
    distill(**toy.student_job(folder, teachers))
    return folder


def train(toy: ToyPair, teachers: Path, folder: Path, **job: Any) -> dict[str, Any]:
    """Train one student and give its record."""
    distill(**toy.student_job(folder, teachers, **{"seeds": [0]} | job))
    (record,) = read_json(folder / "records.json")
    return dict(record)


class TestRecord:
    def test_it_is_complete(self, block: Path) -> None:
        records = read_json(block / "records.json")
        assert [record["seed"] for record in records] == [0, 1]
        for seed, record in enumerate(records):
            assert record.keys() >= KEYS
            assert record["costs"].keys() == COSTS
            assert record["run_key"] == f"toy/class_cond/kd/default/seed{seed}"
            assert (record["stage"], record["label"], record["fallback"]) == ("student", "KD", None)
            assert record["recipe"] == plain(STUDENT)
            assert record["settings"]["temperature"] == 4.0
            assert record["teacher"]["run_key"] == f"toy/full/teacher/default/seed{seed}"
            assert record["needs"] == {"teacher": ["logits"], "correspondence": "class",
                                       "student_labels": False, "teacher_labels": False}  # fmt: skip

    def test_scores_are_those_of_the_stored_predictions(self, block: Path, toy: ToyPair) -> None:
        for record in read_json(block / "records.json"):
            with np.load(block / f"predictions/seed{record['seed']}.npz", allow_pickle=False) as stored:
                ids, labels, logits = (stored[name] for name in ("ids", "labels", "logits"))
            rows = toy.student.rows("test")
            assert ids.tolist() == toy.student.ids[rows].tolist()
            assert (labels.tolist(), labels.dtype) == (toy.student.labels[rows].tolist(), np.int64)
            assert logits.dtype == np.float32
            scores = record["scores"]["test"]
            assert scores["accuracy"] == pytest.approx((logits.argmax(1) == labels).mean())
            logs = log_softmax(logits.astype(float), axis=1)
            assert scores["nll"] == pytest.approx(-logs[range(len(labels)), labels].mean())
            assert sum(record["reliability"]["count"]) == len(labels)

    @pytest.mark.usefixtures("first_epoch_is_best")
    def test_predictions_are_those_of_the_stored_weights_of_the_best_epoch(
        self, toy: ToyPair, teachers: Path, tmp_path: Path
    ) -> None:
        assert train(toy, teachers, tmp_path)["best_epoch"] == 1
        student = make.network()
        student.load_state_dict(load_file(tmp_path / "models/seed0.safetensors"))
        inputs = module.Inputs(toy.student, toy.student.rows("test"), "cpu")
        said = student.eval()(inputs[np.arange(len(inputs))])
        with np.load(tmp_path / "predictions/seed0.npz") as stored:
            np.testing.assert_allclose(stored["logits"], said.logits.detach(), atol=1e-5)

    def test_the_history_follows_both_seeds(self, block: Path) -> None:
        header, *rows = (block / "history.csv").read_text().splitlines()
        assert header == "seed,epoch,metric,value"
        metrics = {"loss/task", "loss/distillation", "gradient_ratio/distillation", "val/accuracy", "val/nll",
                   "alignment/kept"}  # fmt: skip
        seen = {tuple(row.split(",")[:3]) for row in rows}
        assert seen >= {(seed, epoch, name) for seed in "01" for epoch in "12" for name in metrics}


class TestProtocol:
    def test_test_samples_are_scored_once_after_training_and_never_met_before(
        self, toy: ToyPair, teachers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        reads: Counter[str] = Counter()
        events: list[str] = []

        class Recorded(module.Inputs):
            def __init__(self, data: Any, rows: Any, device: str, disturb: Any) -> None:
                super().__init__(data, rows, device, disturb)
                shows_test = set(rows.tolist()) & set(toy.student.rows("test").tolist())
                self.name = "test" if shows_test else "other"

            def __getitem__(self, positions: Any) -> Any:
                reads[self.name] += len(positions)
                events.append(self.name)
                return super().__getitem__(positions)

        monkeypatch.setattr(module, "Inputs", Recorded)
        train(toy, teachers, tmp_path / "block0")
        assert reads["test"] == len(toy.student.rows("test"))
        assert events.index("test") == len(events) - 1

    def test_a_method_may_choose_the_teachers_recipe(
        self, toy: ToyPair, teachers: Path, tmp_path: Path
    ) -> None:
        record = train(toy, teachers, tmp_path / "block0", method="ce_teacher_recipe", regime="alone")
        assert record["recipe"] == plain(TEACHER)

    def test_a_fallback_is_recorded(self, toy: ToyPair, teachers: Path, tmp_path: Path) -> None:
        record = train(toy, teachers, tmp_path / "block0", regime="shuffled")
        assert record["fallback"] == "class_mean_soft"

    @pytest.mark.parametrize(
        ("method", "regime"), [("kd", "alone"), ("class_mean_soft", "unlabelled_student")]
    )
    def test_a_method_without_what_it_needs_is_refused_before_training(
        self, method: str, regime: str, toy: ToyPair, teachers: Path, tmp_path: Path
    ) -> None:
        with pytest.raises(ConfigError, match=f"'{method}'.*'{regime}'"):
            train(toy, teachers, tmp_path / "block0", method=method, regime=regime)
        assert not (tmp_path / "block0").exists()

    def test_a_block_of_teachers_without_the_seed_is_refused(
        self, toy: ToyPair, teachers: Path, tmp_path: Path
    ) -> None:
        with pytest.raises(DataError, match="no teacher with seed 5"):
            train(toy, teachers, tmp_path / "block0", seeds=[5])


class TestReproducibility:
    def test_another_process_trains_the_same_students_to_the_last_bit(
        self, block: Path, toy: ToyPair, teachers: Path, tmp_path: Path
    ) -> None:
        job = toy.student_job(tmp_path / "block0", teachers)
        subprocess.run([sys.executable, "-m", "ucmkd.jobs", "distill", json.dumps(job)], check=True)
        for seed in (0, 1):
            mine, theirs = (
                folder / f"models/seed{seed}.safetensors" for folder in (block, tmp_path / "block0")
            )
            assert mine.read_bytes() == theirs.read_bytes()
        assert (block / "history.csv").read_bytes() == (tmp_path / "block0/history.csv").read_bytes()

    def test_a_seed_does_not_depend_on_its_block(
        self, block: Path, toy: ToyPair, teachers: Path, tmp_path: Path
    ) -> None:
        train(toy, teachers, tmp_path / "block0", seeds=[1])
        alone, together = (folder / "models/seed1.safetensors" for folder in (tmp_path / "block0", block))
        assert alone.read_bytes() == together.read_bytes()

    @pytest.mark.parametrize(
        "change", [{"code": "c1"}, {"settings": {"weight": 0.5}}, {"control": "shuffled"}]
    )
    def test_finished_seeds_are_trained_again_when_what_they_depend_on_changes(
        self, change: dict[str, Any], toy: ToyPair, teachers: Path, tmp_path: Path
    ) -> None:
        first = train(toy, teachers, tmp_path / "block0")
        assert train(toy, teachers, tmp_path / "block0") == first
        assert train(toy, teachers, tmp_path / "block0", **change)["digest"] != first["digest"]
