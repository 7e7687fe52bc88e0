"""Convolutions along the steps of a sequence."""

import pytest
import torch

from ucmkd.errors import ConfigError
from ucmkd.models.base import Encoder
from ucmkd.models.sequence_convnet import Settings, build


def encoder(channels: int = 3, steps: int = 40) -> Encoder:
    torch.manual_seed(0)
    return build((channels, steps), "student", Settings()).eval()


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 50])
def test_any_number_of_steps_is_taken(steps: int) -> None:
    inner = encoder(steps=steps).train()
    features = inner(torch.randn(4, 3, steps))
    assert features.shape == (4, inner.width)
    assert torch.isfinite(features).all()


def test_every_step_and_every_channel_matters() -> None:
    given = torch.randn(2, 3, 37, generator=torch.Generator().manual_seed(1), requires_grad=True)
    encoder(steps=37)(given).square().sum().backward()
    assert given.grad is not None
    assert (given.grad.abs().sum(0) > 0).all()


def test_features_are_the_mean_and_the_maximum_over_what_was_found() -> None:
    """A step far from a pulse gives what silence gives, so the pulse moves the mean by its share alone."""
    inner = encoder(channels=1, steps=64)
    silence = torch.zeros(1, 1, 64)
    pulse = silence.clone()
    pulse[0, 0, 20] = 5.0
    moved = silence.roll(0).clone()
    moved[0, 0, 36] = 5.0
    half = inner.width // 2
    assert not torch.equal(inner(pulse), inner(silence))
    torch.testing.assert_close(inner(pulse), inner(moved))
    assert (inner(pulse)[:, half:] >= inner(pulse)[:, :half]).all()


@pytest.mark.parametrize("shape", [(5,), (1, 8, 8), (2, 1, 8, 8)])
def test_what_is_no_sequence_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(
        ConfigError, match=r"sequence_convnet takes inputs \(channels, steps\), not .*use mlp"
    ):
        build(shape, "student", Settings())
