"""Teachers are trained above chance, cached with their heads, and refused when the cache is damaged."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests import toy as make
from tests.toy import CLASSES, TEACHER, WIDTH, ToyPair
from ucmkd.errors import DataError, TrainingError
from ucmkd.files import read_json
from ucmkd.seeding import seed_for
from ucmkd.training.network import Network, build_network
from ucmkd.training.student import shuffled_order
from ucmkd.training.teacher import read_teacher, train_teachers

Damage = Callable[[Path], None]


def network(seed: int = 0) -> Network:
    """The network of a teacher before training."""
    weights = seed_for(seed, "teacher", "weights")
    return build_network("mlp", "teacher", (6,), WIDTH, len(CLASSES), "student", weights)


def said_by(student: Network, toy: ToyPair) -> tuple[np.ndarray, np.ndarray]:
    """Features and logits of every sample in evaluation mode, standardised by training samples."""
    train = toy.teacher.inputs[toy.teacher.rows("train")].astype(np.float64)
    inputs = torch.from_numpy((toy.teacher.inputs - train.mean(0)) / train.std(0)).float()
    with torch.no_grad():
        said = student.eval()(inputs)
    return said.features.numpy(), said.logits.numpy()


class TestTraining:
    @pytest.mark.usefixtures("first_epoch_is_best")
    def test_the_cache_is_what_the_stored_weights_say_of_every_sample(
        self, toy: ToyPair, tmp_path: Path
    ) -> None:
        train_teachers(**toy.teacher_job(tmp_path, seeds=[1]))
        assert read_json(tmp_path / "records.json")[0]["best_epoch"] == 1
        cached, stored = read_teacher(tmp_path, 1), network(1)
        stored.load_state_dict(load_file(tmp_path / "models/seed1.safetensors"))
        features, logits = said_by(stored, toy)
        np.testing.assert_allclose(cached.features, features, atol=1e-5)
        np.testing.assert_allclose(cached.logits, logits, atol=1e-5)

    def test_the_record_scores_validation_and_test(self, toy: ToyPair, teachers: Path) -> None:
        for record in read_json(teachers / "records.json"):
            cached = read_teacher(teachers, record["seed"])
            for split, scores in record["scores"].items():
                rows = toy.teacher.rows(split)
                right = cached.logits[rows].argmax(1) == toy.teacher.labels[rows]
                assert scores["accuracy"] == pytest.approx(right.mean())
            assert record["run_key"] == f"toy/full/teacher/default/seed{record['seed']}"
            assert (record["stage"], record["regime"], record["method"]) == ("teacher", "full", "teacher")
            assert record["teacher"] is None

    def test_a_teacher_no_better_than_chance_is_refused(self, tmp_path: Path) -> None:
        """One that was taught every class as the next one."""
        for modality in ("teacher", "student"):
            samples = make.toy_samples(modality)
            wrong = np.where(np.array(samples.split) == "train", (samples.labels + 1) % 4, samples.labels)
            make.store(tmp_path / modality, replace(samples, labels=wrong))
        with pytest.raises(
            TrainingError, match=r"toy/full/teacher/default/seed0: .*commonest class \(0\.250\)"
        ):
            train_teachers(**ToyPair(tmp_path).teacher_job(tmp_path / "block0"))
        assert not (tmp_path / "block0/records.json").exists()

    def test_the_own_pool_shows_nothing_that_the_student_trains_on(
        self, toy: ToyPair, tmp_path: Path
    ) -> None:
        own = toy.split("disjoint_teacher").teacher_rows("own")
        instances = set(toy.student.pair_ids[toy.split("disjoint_teacher").student.train])
        assert len(own) == 160 - 80
        assert not instances & set(toy.teacher.pair_ids[own])
        train_teachers(**toy.teacher_job(tmp_path / "block0", pool="own", seeds=[0]))
        (record,) = read_json(tmp_path / "block0/records.json")
        assert record["regime"] == "own"
        assert record["costs"]["steps"] == TEACHER.epochs * 3  # 80 rows in batches of at most 32


class TestControls:
    def test_untrained_is_the_network_before_training(self, toy: ToyPair, teachers: Path) -> None:
        untrained, fresh = read_teacher(teachers, 1, untrained=True), network(1)
        features, logits = said_by(fresh, toy)
        np.testing.assert_allclose(untrained.features, features, atol=1e-5)
        np.testing.assert_allclose(untrained.logits, logits, atol=1e-5)
        np.testing.assert_array_equal(untrained.head_weight, fresh.head.weight.detach())
        np.testing.assert_array_equal(untrained.head_bias, fresh.head.bias.detach())

    def test_shuffled_permutes_samples_and_keeps_each_ones_outputs_together(self, teachers: Path) -> None:
        real = read_teacher(teachers, 0)
        chosen = np.arange(10, len(real.logits))
        orders = [shuffled_order(np.arange(len(real.logits)), chosen, seed) for seed in (0, 1)]
        moved = real.reordered(orders[0])
        rows = [int(np.flatnonzero((real.features == row).all(1))[0]) for row in moved.features]
        assert sorted(rows) == list(range(len(real.logits)))
        assert rows[:10] == list(range(10))
        assert rows != sorted(rows)
        np.testing.assert_array_equal(moved.logits, real.logits[rows])
        np.testing.assert_array_equal(moved.head_weight, real.head_weight)
        assert not np.array_equal(moved.logits, real.reordered(orders[1]).logits)

    def test_the_bank_holds_the_rows_asked_for_and_the_head(self, toy: ToyPair, teachers: Path) -> None:
        cached = read_teacher(teachers, 0)
        rows = np.array([5, 3, 100])
        bank = cached.bank(rows, toy.teacher.labels, "cpu")
        np.testing.assert_array_equal(bank.features, cached.features[rows])
        np.testing.assert_array_equal(bank.labels, toy.teacher.labels[rows])
        torch.testing.assert_close(bank.head(bank.features), bank.logits, rtol=1e-4, atol=1e-4)


def truncate(name: str) -> Damage:
    def damage(block: Path) -> None:
        path = block / name
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return damage


def overwrite(block: Path) -> None:
    path = block / "outputs/seed0.npz"
    content = bytearray(path.read_bytes())
    content[60:160] = bytes(100)
    path.write_bytes(content)


def change_array(name: str, change: Callable[[Any], Any]) -> Damage:
    def damage(block: Path) -> None:
        path = block / "outputs/seed0.npz"
        with np.load(path) as arrays:
            kept = dict(arrays)
        kept[name] = change(kept[name])
        np.savez(path, **{key: value for key, value in kept.items() if value is not None})

    return damage


def rename_weights(block: Path) -> None:
    path = block / "models/seed0.safetensors"
    save_file({f"other.{name}": value for name, value in load_file(path).items()}, path)


DAMAGES: dict[str, Damage] = {
    "outputs are missing": lambda block: (block / "outputs/seed0.npz").unlink(),
    "outputs are empty": lambda block: (block / "outputs/seed0.npz").write_bytes(b"") and None,
    "outputs are truncated": truncate("outputs/seed0.npz"),
    "outputs are overwritten": overwrite,
    "an array is missing": change_array("logits", lambda values: None),
    "an array has another shape": change_array("head_weight", lambda values: values[:, :-1]),
    "logits are not the head's": change_array("logits", lambda values: values + 0.1),
    "the head is not that of the weights": change_array("head_weight", lambda values: 2 * values),
    "weights are missing": lambda block: (block / "models/seed0.safetensors").unlink(),
    "weights are truncated": truncate("models/seed0.safetensors"),
    "weights are another network's": rename_weights,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_cache_is_refused(damage: Damage, teachers: Path, tmp_path: Path) -> None:
    block = Path(shutil.copytree(teachers, tmp_path / "block0"))
    damage(block)
    with pytest.raises(DataError, match=r"outputs/seed0\.npz.*delete the block's folder and run again"):
        read_teacher(block, 0)


def test_a_seed_that_was_not_trained_is_refused(teachers: Path) -> None:
    with pytest.raises(DataError, match="no teacher with seed 7"):
        read_teacher(teachers, 7)
