"""What an encoder is: a module from standardised inputs to a feature vector, in two sizes."""

from typing import Any, Literal, Protocol

from torch import nn

Size = Literal["student", "teacher"]


class Encoder(nn.Module):
    """A module from inputs (n, *shape) to features (n, width).

    A file in ``ucmkd/models`` defines a function ``build(shape, size, settings) -> Encoder`` and the class
    ``Settings`` of what may be set.
    """

    width: int


class Build(Protocol):
    """The function every file in ``ucmkd/models`` defines."""

    def __call__(self, shape: tuple[int, ...], size: Size, settings: Any) -> Encoder: ...
