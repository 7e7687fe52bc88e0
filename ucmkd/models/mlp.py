"""A multilayer perceptron for tables of numbers, or for anything flattened."""

from math import prod

from torch import Tensor, nn

from ucmkd.models import base
from ucmkd.settings import NoSettings as Settings

TOGETHER = ("cpu", "cuda")
WIDTHS = {"student": (64, 64), "teacher": (256, 256)}


class MLP(base.Encoder):
    """Fully connected layers with batch normalisation."""

    def __init__(self, inputs: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        before = inputs
        for after in widths:
            layers += [nn.Linear(before, after, bias=False), nn.BatchNorm1d(after), nn.ReLU()]
            before = after
        self.layers = nn.Sequential(*layers)
        self.width = before

    def forward(self, inputs: Tensor) -> Tensor:
        features: Tensor = self.layers(inputs)
        return features


def build(shape: tuple[int, ...], size: base.Size, settings: Settings) -> base.Encoder:
    """Build the encoder for inputs of any shape, flattened."""
    return MLP(prod(shape), WIDTHS[size])
