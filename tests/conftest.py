"""Fixtures that every test may use: the toy pair, and its trained teachers."""

from pathlib import Path

import pytest
import torch

from tests.toy import ToyPair, picture_samples, store, toy_samples
from ucmkd.training.teacher import train_teachers


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Toy tensors are too small to share out."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> ToyPair:
    """The toy pair, stored once; tests must not change its files."""
    folder = tmp_path_factory.mktemp("toy")
    for modality in ("teacher", "student"):
        store(folder / modality, toy_samples(modality))
    return ToyPair(folder)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> ToyPair:
    """The toy pair as images, for methods that read feature maps; tests must not change its files."""
    folder = tmp_path_factory.mktemp("pictures")
    for modality in ("teacher", "student"):
        store(folder / modality, picture_samples(modality))
    return ToyPair(folder, "convnet")


@pytest.fixture(scope="session")
def picture_teachers(pictures: ToyPair, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A block of trained teachers of the toy pair as images; tests must not change its files."""
    folder = tmp_path_factory.mktemp("picture_teachers") / "block0"
    train_teachers(**pictures.teacher_job(folder))
    return folder


@pytest.fixture(scope="session")
def teachers(toy: ToyPair, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A block of trained teachers of the toy pair, seeds 0 and 1; tests must not change its files."""
    folder = tmp_path_factory.mktemp("teachers") / "block0"
    train_teachers(**toy.teacher_job(folder))
    return folder
