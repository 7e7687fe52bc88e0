"""Students that are trained in one pass are those that are trained one after the other."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn

from tests.toy import ToyPair
from ucmkd.methods.base import load_method, method_names
from ucmkd.training.runner import Runner
from ucmkd.training.selection import Fitted
from ucmkd.training.together import Together, trains_together

SEEDS = (0, 1, 2)
POSSIBLE = [name for name in method_names() if trains_together(load_method(name), "mlp", "cpu")]


def runners(pair: ToyPair, method: str, seeds: tuple[int, ...] = SEEDS, **changes: object) -> list[Runner]:
    return [pair.runner(method, seed=seed, student=pair.network(seed=seed), **changes) for seed in seeds]


def largest_difference(one: Fitted, other: Fitted) -> float:
    return max(float((value - other.state[name]).abs().max()) for name, value in one.state.items())


def numbers(fitted: Fitted) -> Iterator[tuple[int, str]]:
    return ((epoch, name) for epoch, name, _ in fitted.history)


@pytest.mark.parametrize("method", POSSIBLE)
def test_each_method_trains_the_same_students(toy: ToyPair, method: str) -> None:
    together = Together(runners(toy, method, evaluations=1)).fit()
    alone = [runner.fit() for runner in runners(toy, method, evaluations=1)]
    for one, other in zip(together, alone, strict=True):
        assert largest_difference(one, other) < 2e-4
        assert list(numbers(one)) == list(numbers(other))
        np.testing.assert_allclose(
            [value for *_, value in one.history], [value for *_, value in other.history], rtol=2e-3, atol=2e-3
        )
        for cost in ("steps", "student_forwards", "student_backwards", "parameters", "aux_parameters"):
            assert one.costs[cost] == other.costs[cost]
    assert largest_difference(together[0], together[1]) > 1e-2


@pytest.mark.parametrize("method", ["ce_matched", "kd", "ucmkd_released", "ucmkd_paper"])
def test_convolutions_their_statistics_and_their_inputs_with_noise(pictures: ToyPair, method: str) -> None:
    together = Together(runners(pictures, method, noise=0.2)).fit()
    alone = [runner.fit() for runner in runners(pictures, method, noise=0.2)]
    for one, other in zip(together, alone, strict=True):
        assert largest_difference(one, other) < 2e-4
        assert one.best_epoch == other.best_epoch


@pytest.mark.parametrize("company", [(0,), (0, 1), (4, 0, 2, 3, 1, 5)])
@pytest.mark.parametrize("method", ["kd", "ucmkd_released", "ucmkd_aligned"])
def test_a_student_is_the_same_to_the_last_bit_in_any_company(
    toy: ToyPair, method: str, company: tuple[int, ...]
) -> None:
    usual = Together(runners(toy, method)).fit()[0]
    other = Together(runners(toy, method, company)).fit()[company.index(0)]
    assert all(torch.equal(value, other.state[name]) for name, value in usual.state.items())


@pytest.mark.parametrize(
    ("method", "encoder", "device", "expected"),
    [
        ("kd", "mlp", "cpu", True),
        ("kd", "mlp", "cuda:1", True),
        ("kd", "convnet", "cpu", False),
        ("kd", "convnet", "cuda:0", True),
        ("kd", "text_transformer", "cuda:0", False),
        ("ucmkd_released", "mlp", "cpu", True),
        ("c2kd", "mlp", "cpu", False),
        ("fitnet_maps", "convnet", "cuda:0", False),
    ],
)
def test_it_takes_a_simple_method_and_an_encoder_for_which_it_pays(
    method: str, encoder: str, device: str, expected: bool
) -> None:
    assert trains_together(load_method(method), encoder, device) is expected


def test_encoders_that_are_trained_together_draw_no_random_numbers(pictures: ToyPair, toy: ToyPair) -> None:
    for pair in (pictures, toy):
        assert not any(isinstance(module, nn.Dropout) for module in pair.network().modules())
