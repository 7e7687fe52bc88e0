"""The functional optimisers against the classes of torch."""

from typing import Any

import pytest
import torch
from torch import Tensor

from ucmkd.optimiser import Optimiser, clip

SGD = {"weight_decay": 0.01, "momentum": 0.9}
ADAMW = {"weight_decay": 0.05}


def start() -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(0)
    return {"weight": torch.randn(4, 3, generator=draw), "bias": torch.randn(4, generator=draw)}


def gradients(step: int) -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(100 + step)
    return {name: torch.randn(value.shape, generator=draw) for name, value in start().items()}


def theirs(kind: str, params: dict[str, Tensor], options: dict[str, Any]) -> torch.optim.Optimizer:
    cls = torch.optim.SGD if kind == "sgd" else torch.optim.AdamW
    return cls(params.values(), lr=0.1, **options)


@pytest.mark.parametrize(("kind", "options"), [("sgd", SGD), ("adamw", ADAMW)])
def test_an_optimiser_that_forgets_steps_like_a_new_one(kind: str, options: dict[str, Any]) -> None:
    old = Optimiser(kind, **options)
    old.forget()
    for step in range(3):
        old.step(start(), gradients(step), 0.1)
    remembering, forgetting, fresh = start(), start(), start()
    Optimiser(kind, **options).step(fresh, gradients(5), 0.1)
    old.step(remembering, gradients(5), 0.1)
    old.forget()
    old.step(forgetting, gradients(5), 0.1)
    for name, value in fresh.items():
        assert torch.equal(forgetting[name], value)
        assert not torch.allclose(remembering[name], value)


@pytest.mark.parametrize(
    ("kind", "options"),
    [("sgd", SGD), ("sgd", {"weight_decay": 0.0, "momentum": 0.0}), ("adamw", ADAMW)],
)
class TestAgainstTorch:
    def test_steps_at_changing_rates_agree(self, kind: str, options: dict[str, Any]) -> None:
        mine, reference = start(), {name: value.requires_grad_() for name, value in start().items()}
        ours, other = Optimiser(kind, **options), theirs(kind, reference, options)
        for step, rate in enumerate([0.1, 0.05, 0.2, 0.0, 0.01]):
            ours.step(mine, gradients(step), rate)
            other.param_groups[0]["lr"] = rate
            for name, value in reference.items():
                value.grad = gradients(step)[name]
            other.step()
        for name, value in reference.items():
            torch.testing.assert_close(mine[name], value.detach(), msg=name)

    def test_parameters_without_a_gradient_are_skipped(self, kind: str, options: dict[str, Any]) -> None:
        """State starts with a parameter's own first gradient, as in torch."""
        mine, reference = start(), {name: value.requires_grad_() for name, value in start().items()}
        ours, other = Optimiser(kind, **options), theirs(kind, reference, options)
        for step, names in enumerate([["weight"], ["weight", "bias"], ["bias"]]):
            ours.step(mine, {name: gradients(step)[name] for name in names}, 0.1)
            for name, value in reference.items():
                value.grad = gradients(step)[name] if name in names else None
            other.step()
            if step == 0:
                assert torch.equal(mine["bias"], start()["bias"])
        for name, value in reference.items():
            torch.testing.assert_close(mine[name], value.detach(), msg=name)

    def test_gradients_are_left_as_they_are(self, kind: str, options: dict[str, Any]) -> None:
        given = gradients(0)
        Optimiser(kind, **options).step(start(), given, 0.1)
        assert all(torch.equal(value, gradients(0)[name]) for name, value in given.items())


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_a_gradient_may_lie_in_memory_as_it_likes(kind: str) -> None:
    given = gradients(0)
    transposed = {name: value.T.contiguous().T if value.ndim == 2 else value for name, value in given.items()}
    assert transposed["weight"].stride() != given["weight"].stride()
    moved, other = start(), start()
    Optimiser(kind, weight_decay=0.1).step(moved, given, 0.1)
    Optimiser(kind, weight_decay=0.1).step(other, transposed, 0.1)
    assert torch.equal(moved["weight"], other["weight"])


def test_a_first_adamw_step_is_a_sign() -> None:
    moved = start()
    Optimiser("adamw", weight_decay=0.0).step(moved, gradients(0), 1e-3)
    for name, value in start().items():
        torch.testing.assert_close(
            moved[name], value - 1e-3 * gradients(0)[name].sign(), rtol=1e-4, atol=1e-6
        )


class TestClip:
    @pytest.mark.parametrize("limit", [0.5, 100.0])
    def test_it_is_that_of_torch(self, limit: float) -> None:
        reference = {name: value.requires_grad_() for name, value in start().items()}
        for name, value in reference.items():
            value.grad = gradients(0)[name]
        expected = torch.nn.utils.clip_grad_norm_(reference.values(), limit)
        given = gradients(0)
        torch.testing.assert_close(clip(given, limit), expected)
        for name, value in reference.items():
            torch.testing.assert_close(given[name], value.grad, msg=name)

    def test_0_switches_it_off_and_still_measures(self) -> None:
        given = gradients(0)
        joint = torch.cat([value.flatten() for value in gradients(0).values()]).norm()
        torch.testing.assert_close(clip(given, 0.0), joint)
        assert all(torch.equal(value, gradients(0)[name]) for name, value in given.items())
