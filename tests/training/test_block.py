"""A block of seeds resumes, grows and is put together again, and trains nothing twice."""

import csv
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ucmkd.training.block import SeedResult, digest_of, make_reproducible, now, run_block


class Trainer:
    """Counts what it trains, and stops at a seed if told to."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.trained: list[int] = []
        self.stop_at = stop_at

    def __call__(self, seed: int) -> SeedResult:
        if seed == self.stop_at:
            raise KeyboardInterrupt
        self.trained.append(seed)
        return SeedResult(
            {"run_key": f"toy/seed{seed}", "started": now(), "costs": {}},
            [(1, "loss/task", 0.5 + seed), (2, "loss/task", 0.25)],
            {"logits": np.full(3, seed, np.float32), "ids": np.array(["a", "b", "c"])},
            {"weight": torch.full((2,), float(seed))},
        )


@pytest.fixture
def train(tmp_path: Path) -> Callable[..., list[int]]:
    """Run the block and list the seeds that it trained."""

    def run(seeds: Sequence[int], *, digest: str = "d0", stop_at: int | None = None) -> list[int]:
        trainer = Trainer(stop_at)
        if stop_at is None:
            run_block(tmp_path / "block0", seeds, "predictions", digest, partial(map, trainer))
        else:
            with pytest.raises(KeyboardInterrupt):
                run_block(tmp_path / "block0", seeds, "predictions", digest, partial(map, trainer))
        return trainer.trained

    return run


def records(folder: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads((folder / "block0/records.json").read_text())
    return found


def test_every_seed_leaves_record_history_arrays_and_weights(
    train: Callable[..., list[int]], tmp_path: Path
) -> None:
    assert train([0, 1]) == [0, 1]
    first, second = records(tmp_path)
    assert (first["seed"], second["seed"]) == (0, 1)
    assert first["digest"] == "d0"
    assert {"run_key", "versions", "started", "finished"} <= first.keys()
    folder = tmp_path / "block0"
    rows = list(csv.reader((folder / "history.csv").open(encoding="utf-8")))
    assert rows[:2] == [["seed", "epoch", "metric", "value"], ["0", "1", "loss/task", "0.5"]]
    assert len(rows) == 5
    with np.load(folder / "predictions/seed1.npz", allow_pickle=False) as arrays:
        assert set(arrays) == {"logits", "ids"}
        assert (arrays["logits"] == 1).all()
    assert load_file(folder / "models/seed1.safetensors")["weight"].tolist() == [1, 1]


def test_a_finished_block_trains_nothing(train: Callable[..., list[int]]) -> None:
    train([0, 1])
    assert train([0, 1]) == []


def test_an_interrupted_block_resumes_at_the_first_missing_seed(
    train: Callable[..., list[int]], tmp_path: Path
) -> None:
    assert train([0, 1, 2], stop_at=1) == [0]
    assert not (tmp_path / "block0/records.json").exists()
    assert train([0, 1, 2]) == [1, 2]
    assert [record["seed"] for record in records(tmp_path)] == [0, 1, 2]


def test_a_block_that_grows_trains_the_new_seeds(train: Callable[..., list[int]], tmp_path: Path) -> None:
    train([0, 1])
    before = records(tmp_path)
    assert train([0, 1, 2]) == [2]
    assert records(tmp_path)[:2] == before


def test_a_block_that_shrinks_keeps_to_its_seeds(train: Callable[..., list[int]], tmp_path: Path) -> None:
    train([0, 1, 2])
    assert train([0]) == []
    assert [record["seed"] for record in records(tmp_path)] == [0]
    assert [path.name for path in (tmp_path / "block0/models").iterdir()] == ["seed0.safetensors"]


def test_another_digest_trains_everything_again(train: Callable[..., list[int]], tmp_path: Path) -> None:
    train([0, 1])
    assert train([0, 1], digest="d1") == [0, 1]
    assert {record["digest"] for record in records(tmp_path)} == {"d1"}


@pytest.mark.parametrize("lost", ["records.json", "history.csv", "models/seed0.safetensors"])
def test_lost_outputs_are_put_together_again(
    lost: str, train: Callable[..., list[int]], tmp_path: Path
) -> None:
    train([0, 1])
    (tmp_path / "block0" / lost).unlink()
    assert train([0, 1]) == []
    assert (tmp_path / "block0" / lost).exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"seed": 0}'])
def test_a_damaged_part_is_trained_again(
    content: str, train: Callable[..., list[int]], tmp_path: Path
) -> None:
    train([0, 1])
    (tmp_path / "block0/.seeds/seed0/record.json").write_text(content)
    assert train([0, 1]) == [0]


@pytest.mark.parametrize("lost", ["arrays.npz", "model.safetensors", "history.json"])
def test_a_part_that_lost_a_file_is_trained_again(
    lost: str, train: Callable[..., list[int]], tmp_path: Path
) -> None:
    train([0, 1])
    (tmp_path / "block0/.seeds/seed0" / lost).unlink()
    assert train([0, 1]) == [0]


def test_a_seed_that_fails_leaves_no_part(train: Callable[..., list[int]], tmp_path: Path) -> None:
    train([3], stop_at=3)
    assert not list((tmp_path / "block0").glob(".seeds/*"))


def test_the_digest_tells_values_apart_and_not_their_order() -> None:
    assert digest_of({"a": 1, "b": [1, 2]}) == digest_of({"b": [1, 2], "a": 1})
    assert digest_of({"a": 1, "b": [1, 2]}) != digest_of({"a": 1, "b": [2, 1]})


def test_one_thread_and_deterministic_operations_are_set() -> None:
    make_reproducible("cpu")
    assert torch.get_num_threads() == 1
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.is_deterministic_algorithms_warn_only_enabled()
