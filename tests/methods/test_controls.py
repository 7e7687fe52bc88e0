"""Controls on the toy pair: what must help does, and what cannot help does not. They would catch a leak."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.toy import ToyPair
from ucmkd.methods.base import method_class, method_names
from ucmkd.training.inputs import Inputs
from ucmkd.training.student import shuffled_order
from ucmkd.training.supply import Supply
from ucmkd.training.teacher import CachedTeacher

SEEDS = (0, 1, 2)
TRAINING = {"epochs": 20, "evaluations": 1}


def _shuffled(toy: ToyPair, rows: np.ndarray, seed: int) -> CachedTeacher:
    return toy.said.reordered(shuffled_order(np.arange(len(toy.said.logits)), rows, seed))


def accuracies(toy: ToyPair, name: str, supplies: list[Supply]) -> np.ndarray:
    """Validation accuracy of the last epoch, by seed."""
    return np.array([
        toy.runner(name, supply=supply, seed=seed, student=toy.network(seed=seed), **TRAINING)
        .fit().validation["accuracy"]
        for seed, supply in zip(SEEDS, supplies, strict=True)
    ])  # fmt: skip


def test_a_wrong_teacher_does_not_help_and_a_right_one_beats_it_by_far(toy: ToyPair) -> None:
    supply, rows = toy.supply("paired"), toy.split("paired").teacher.train
    wrong = [
        replace(supply, bank=_shuffled(toy, rows, seed).bank(rows, toy.teacher.labels, "cpu"))
        for seed in SEEDS
    ]
    taught_right, taught_wrong = (accuracies(toy, "kd", each) for each in ([supply] * 3, wrong))
    alone = accuracies(toy, "ce", [toy.supply("alone", needs=frozenset())] * 3)
    assert (taught_wrong < alone).all()
    assert (taught_right > taught_wrong + 0.2).all()


@pytest.mark.parametrize("name", method_names())
def test_no_method_learns_from_inputs_that_tell_nothing(name: str, toy: ToyPair, pictures: ToyPair) -> None:
    """Chance is 1/4; the mean of 3 x 48 guesses has a standard deviation of 0.036, five of which are 0.18."""
    toy = pictures if method_class(name).needs.student_maps else toy
    student = toy.split("paired").student
    supply = toy.supply("paired", needs=method_class(name).needs.teacher)
    noise = []
    for seed in SEEDS:
        draw = torch.Generator().manual_seed(seed)
        data = replace(toy.student, inputs=torch.randn(toy.student.inputs.shape, generator=draw).numpy())
        train, val = (Inputs(data, part, "cpu") for part in (student.train, student.val))
        noise.append(replace(supply, inputs=train, validation=val))
    assert abs(accuracies(toy, name, noise).mean() - 0.25) < 0.18
