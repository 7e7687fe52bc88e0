"""Encoder, projector and head, and their use as a function of a dictionary of parameters."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ucmkd import discovery
from ucmkd.methods.base import Outputs, Parameters
from ucmkd.models.base import Build, Encoder, Size
from ucmkd.settings import build
from ucmkd.training.monitor import Monitor

Project = Literal["student", "side"]
HEAD = "head."
Maps = tuple[tuple[Tensor, ...], tuple[Tensor, ...]]
Pass = Callable[[Parameters, Tensor], Tensor]


class Projected(Encoder):
    """An encoder followed by a linear map into the shared embedding, orthogonal at the start."""

    def __init__(self, encoder: Encoder, width: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.maps = tuple(f"encoder.{name}" for name in encoder.maps)
        self.preactivations = tuple(f"encoder.{name}" for name in encoder.preactivations)
        self.projector = nn.Linear(encoder.width, width, bias=False)
        nn.init.orthogonal_(self.projector.weight)
        self.width = width

    def forward(self, inputs: Tensor) -> Tensor:
        features: Tensor = self.projector(self.encoder(inputs))
        return features


class Network(nn.Module):
    """An encoder into the shared embedding and a linear head.

    With ``project="student"`` the projector belongs to the encoder and the head reads the embedding. With
    ``project="side"`` the head reads the encoder's own feature and the projector serves the alignment alone.
    """

    def __init__(self, encoder: Encoder, width: int, classes: int, project: Project = "student") -> None:
        super().__init__()
        self.width = width
        self.side = project == "side"
        self.encoder = encoder if self.side else Projected(encoder, width)
        self.head = nn.Linear(self.encoder.width, classes)
        self.projector = nn.Linear(encoder.width, width, bias=False) if self.side else None
        if self.projector is not None:
            nn.init.orthogonal_(self.projector.weight)

    def forward(self, inputs: Tensor) -> Outputs:
        return self.read(self.encoder(inputs))

    def read(self, encoded: Tensor) -> Outputs:
        """Give features and logits of what the encoder said."""
        features = encoded if self.projector is None else self.projector(encoded)
        return Outputs(features, self.head(encoded))


def build_network(
    encoder: str,
    size: Size,
    shape: tuple[int, ...],
    width: int,
    classes: int,
    project: Project,
    seed: int,
    values: Mapping[str, Any] | None = None,
) -> Network:
    """Build a network whose initial weights depend on ``seed`` alone; ``values`` set its encoder."""
    build_encoder = cast(Build, discovery.load("ucmkd.models", encoder, "build"))
    settings = encoder_settings(encoder, values or {}, f"models.{encoder}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Network(build_encoder(shape, size, settings), width, classes, project)


def encoder_settings(encoder: str, values: Mapping[str, Any], place: str) -> Any:
    """Build the settings of an encoder from configuration values that stand at ``place``."""
    return build(discovery.load("ucmkd.models", encoder, "Settings"), values, place)


def is_encoder(name: str) -> bool:
    """Tell whether a parameter belongs to the encoder rather than to the head."""
    return not name.startswith(HEAD)


@contextmanager
def watched(encoder: Encoder, *, with_maps: bool = True) -> Iterator[dict[str, Tensor]]:
    """Give a dictionary that fills with the outputs of the encoder's maps when it runs within the block."""
    seen: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
            seen[name] = output

        return hook

    names = dict.fromkeys(encoder.maps + encoder.preactivations) if with_maps else {}
    hooks = [encoder.get_submodule(name).register_forward_hook(keep(name)) for name in names]
    try:
        yield seen
    finally:
        for handle in hooks:
            handle.remove()


def maps_of(encoder: Encoder, seen: Mapping[str, Tensor], samples: int) -> Maps:
    """Give the maps and the preactivations that were seen, in single precision; frames are averaged."""

    def one_a_sample(name: str) -> Tensor:
        value = seen[name].float()
        return value.view(samples, -1, *value.shape[1:]).mean(1) if len(value) > samples else value

    return (
        tuple(one_a_sample(name) for name in encoder.maps if name in seen),
        tuple(one_a_sample(name) for name in encoder.preactivations if name in seen),
    )


def map_shapes(network: Network, inputs: Tensor) -> tuple[tuple[int, ...], ...]:
    """Find the shapes (channels, height, width) of a network's feature maps for inputs of this shape."""
    training = network.training
    network.eval()
    with torch.no_grad(), watched(network.encoder) as seen:
        network.encoder(inputs[:1])
    network.train(training)
    return tuple(tuple(value.shape[1:]) for value in maps_of(network.encoder, seen, 1)[0])


class Borrowed:
    """A module as a function of its tensors: ``functional_call`` without looking for them every time.

    Parameters
    ----------
    module : Module
        It has its own parameters and buffers back after every call.
    """

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._places = {
            f"{path}.{name}".removeprefix("."): (held, name)
            for path, part in module.named_modules()
            for held in (part._parameters, part._buffers)
            for name in held
        }

    def __call__(self, tensors: Parameters, inputs: Tensor) -> Tensor:
        borrowed = [(*self._places[name], tensor) for name, tensor in tensors.items()]
        own = [held[name] for held, name, _ in borrowed]
        try:
            for held, name, tensor in borrowed:
                held[name] = tensor
            said: Tensor = self._module(inputs)
        finally:
            for (held, name, _), tensor in zip(borrowed, own, strict=True):
                held[name] = tensor
        return said


class FunctionalNetwork:
    """A network as a function of its parameters, in training mode, counting its passes.

    Parameters
    ----------
    network : Network
        Supplies structure and buffers; its own parameters are not read.
    monitor : Monitor
    autocast : torch.dtype, optional
        Lower precision for the forward pass.
    with_maps : bool
        Whether feature maps are kept of every pass.
    compiled : bool
        Whether torch compiles the encoder's pass, at the first; not where maps are kept.
    """

    def __init__(
        self,
        network: Network,
        monitor: Monitor,
        autocast: torch.dtype | None = None,
        *,
        with_maps: bool = False,
        compiled: bool = False,
    ) -> None:
        self._with_maps = with_maps
        compiled = compiled and not with_maps
        self._pass: Pass = torch.compile(self._call) if compiled else self._call
        self._encoder: Pass = (
            partial(functional_call, network.encoder, tie_weights=False)
            if compiled
            else Borrowed(network.encoder)
        )
        self._network = network
        self._ledgers = [monitor.ledger]
        self._autocast = autocast
        self._maps: Maps = ((), ())
        self._running = {
            f"{path}.{kind}": (
                cast(Tensor, getattr(norm, kind)),
                0.1 if norm.momentum is None else norm.momentum,
            )
            for path, norm in network.encoder.named_modules()
            if isinstance(norm, nn.modules.batchnorm._BatchNorm) and norm.running_mean is not None
            for kind in ("running_mean", "running_var")
        }

    def encode(self, params: Parameters, inputs: Tensor, *, statistics_passes: int = 1) -> Tensor:
        """Encode a batch.

        Parameters
        ----------
        params : dict of Tensor
        inputs : Tensor, shape (n, ...)
        statistics_passes : int
            How many identical passes the running statistics of batch normalisation are to reflect; 0 leaves
            them as they are. Only one pass is computed.
        """
        for ledger in self._ledgers:
            ledger.student_forwards += 1
        own = {name.removeprefix("encoder."): params[name] for name in params if name.startswith("encoder.")}
        moved = {name: statistic.clone() for name, (statistic, _) in self._running.items()}
        encoder = self._network.encoder
        with self._precision(inputs), watched(encoder, with_maps=self._with_maps) as seen:
            encoded = self._pass(own | moved, inputs)
        self._maps = maps_of(encoder, seen, len(inputs))
        self._move_statistics(moved, statistics_passes)
        return encoded.to(torch.promote_types(encoded.dtype, torch.float32))

    def _call(self, tensors: Parameters, inputs: Tensor) -> Tensor:
        return self._encoder(tensors, inputs)

    def read(self, params: Parameters, encoded: Tensor) -> Outputs:
        """Give features and logits of encoded samples, and the maps of the last batch that was encoded."""

        def head(features: Tensor) -> Tensor:
            return nn.functional.linear(features, params["head.weight"], params["head.bias"])

        maps, preactivations = self._maps
        if not self._network.side:
            return Outputs(encoded, head(encoded), maps, preactivations, head)
        projected = nn.functional.linear(encoded, params["projector.weight"])
        return Outputs(projected, head(encoded), maps, preactivations)

    def __call__(self, params: Parameters, inputs: Tensor, *, statistics_passes: int = 1) -> Outputs:
        """Encode and read."""
        return self.read(params, self.encode(params, inputs, statistics_passes=statistics_passes))

    def gradients(
        self, loss: Tensor, params: Parameters, names: Iterable[str], *, differentiable: bool = False
    ) -> dict[str, Tensor]:
        """Differentiate a loss with respect to the named parameters, zero where it does not depend on them.

        With ``differentiable`` the result can be differentiated again; the ledger counts that pass at once.
        """
        wanted = list(names)
        if any(is_encoder(name) for name in wanted):
            for ledger in self._ledgers:
                ledger.student_backwards += 2 if differentiable else 1
        tensors = [params[name] for name in wanted]
        found = torch.autograd.grad(loss, tensors, create_graph=differentiable, allow_unused=True)
        return {
            name: torch.zeros_like(tensor) if gradient is None else gradient
            for name, tensor, gradient in zip(wanted, tensors, found, strict=True)
        }

    def stacked(self, values: Sequence[Tensor]) -> Tensor:
        """Put what belongs to each network together."""
        (value,) = values
        return value

    def apart(self, values: Tensor) -> Sequence[Tensor]:
        """Give each network its own part of what was put together, as the graph's views."""
        return [values]

    def parts(self, tensors: Parameters) -> list[Parameters]:
        """Give each network its own part of named tensors, as the graph's views."""
        every = [self.apart(value) for value in tensors.values()]
        return [dict(zip(tensors, own, strict=True)) for own in zip(*every, strict=True)]

    def outside(self, params: Parameters) -> list[Parameters]:
        """Give each network its own part of the parameters outside of the encoder."""
        return self.parts({name: params[name] for name in params if not name.startswith("encoder.")})

    def _precision(self, inputs: Tensor) -> torch.autocast | nullcontext[None]:
        if self._autocast is None:
            return nullcontext()
        return torch.autocast(inputs.device.type, self._autocast)

    def _move_statistics(self, moved: dict[str, Tensor], passes: int) -> None:
        """Move each running statistic as ``passes`` exponential updates towards the same value would."""
        for name, (statistic, momentum) in self._running.items():
            if passes == 1:
                statistic.copy_(moved[name])
            elif passes > 1:
                statistic.lerp_(moved[name], (1 - (1 - momentum) ** passes) / momentum)
