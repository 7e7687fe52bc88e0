"""What an encoder is: a module from standardised inputs to a feature vector, in two sizes."""

from typing import Literal, Protocol

from torch import nn

Size = Literal["student", "teacher"]


class Encoder(nn.Module):
    """A module from inputs (n, *shape) to features (n, width).

    A file in ``ucmkd/models`` defines a function ``build(shape, size) -> Encoder``.
    """

    width: int


class Build(Protocol):
    """The function every file in ``ucmkd/models`` defines."""

    def __call__(self, shape: tuple[int, ...], size: Size) -> Encoder: ...
