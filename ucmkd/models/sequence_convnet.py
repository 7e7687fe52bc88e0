"""A small convolutional network along the steps of a sequence."""

import torch
from torch import Tensor, nn

from ucmkd.errors import ConfigError
from ucmkd.models import base
from ucmkd.settings import NoSettings as Settings

CHANNELS = {"student": (16, 32), "teacher": (32, 64, 128)}


class SequenceConvNet(base.Encoder):
    """Convolutions over 5 steps with batch normalisation, each halving the steps; then mean and maximum."""

    def __init__(self, before: int, channels: tuple[int, ...]) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        for after in channels:
            convolution = nn.Conv1d(before, after, 5, stride=2, padding=2, bias=False)
            stages += [convolution, nn.BatchNorm1d(after), nn.ReLU()]
            before = after
        self.stages = nn.Sequential(*stages)
        self.width = 2 * before

    def forward(self, inputs: Tensor) -> Tensor:
        found = self.stages(inputs)
        return torch.cat([found.mean(2), found.amax(2)], 1)


def build(shape: tuple[int, ...], size: base.Size, settings: Settings) -> base.Encoder:
    """Build the encoder for inputs of shape (channels, steps), with any number of steps.

    Raises
    ------
    ConfigError
        If the inputs are not sequences.
    """
    if len(shape) != 2:
        raise ConfigError(f"models: sequence_convnet takes inputs (channels, steps), not {shape}; use mlp")
    return SequenceConvNet(shape[0], CHANNELS[size])
