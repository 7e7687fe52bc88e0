"""What an encoder is: a module from standardised inputs to a feature vector, in two sizes."""

from typing import Any, Literal, Protocol

from torch import nn

Size = Literal["student", "teacher"]


class Encoder(nn.Module):
    """A module from inputs (n, *shape) to features (n, width).

    Attributes
    ----------
    width : int
    maps : tuple of str
        Names of submodules whose outputs are feature maps (n, channels, height, width), from shallow to deep;
        none where features have no places.
    preactivations : tuple of str
        For each map, the submodule whose output is that map before its rectifier.

    A file in ``ucmkd/models`` defines a function ``build(shape, size, settings) -> Encoder`` and the class
    ``Settings`` of what may be set. ``MAPS = True`` says that such encoders have feature maps,
    ``PREACTIVATIONS = True`` that these are also had before their rectifiers. ``TOGETHER`` names the devices
    (``cpu``, ``cuda``) on which it pays to train students of several seeds in one pass; such encoders draw no
    random numbers.
    """

    width: int
    maps: tuple[str, ...] = ()
    preactivations: tuple[str, ...] = ()


class Build(Protocol):
    """The function every file in ``ucmkd/models`` defines."""

    def __call__(self, shape: tuple[int, ...], size: Size, settings: Any) -> Encoder: ...
