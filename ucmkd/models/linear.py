"""No layers at all: with projector and head the network is a linear classifier of the flattened inputs."""

from math import prod

from torch import Tensor

from ucmkd.models import base
from ucmkd.settings import NoSettings as Settings

TOGETHER = ("cpu", "cuda")


class Flat(base.Encoder):
    """The inputs themselves as one vector."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.flatten(1)


def build(shape: tuple[int, ...], size: base.Size, settings: Settings) -> base.Encoder:
    """Build the encoder for inputs of any shape; both sizes are the same."""
    return Flat(prod(shape))
