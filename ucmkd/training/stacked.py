"""Several networks of one build as one function, whose tensors carry a leading axis of networks."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.func import vmap

from ucmkd.methods.base import Parameters
from ucmkd.training.monitor import Monitor
from ucmkd.training.network import FunctionalNetwork, Network


class StackedNetwork(FunctionalNetwork):
    """Networks that are encoded together: parameters (networks, ...), inputs (networks, n, ...).

    Parameters
    ----------
    networks : sequence of Network
        Of one build. Their own weights and statistics are the start, and stay so until :meth:`hand_back`.
    monitors : sequence of Monitor
        One for each network.
    autocast : torch.dtype, optional
    compiled : bool

    Attributes
    ----------
    params : dict of Tensor, shapes (networks, ...)
    """

    def __init__(
        self,
        networks: Sequence[Network],
        monitors: Sequence[Monitor],
        autocast: torch.dtype | None = None,
        *,
        compiled: bool = False,
    ) -> None:
        super().__init__(networks[0], monitors[0], autocast, compiled=compiled)
        self._ledgers = [monitor.ledger for monitor in monitors]
        self._networks = networks
        every = [dict(network.named_parameters()) for network in networks]
        self.params: Parameters = {
            name: torch.stack([each[name].detach() for each in every]).requires_grad_() for name in every[0]
        }
        self._running = {
            name: (torch.stack([network.encoder.get_buffer(name) for network in networks]), momentum)
            for name, (_, momentum) in self._running.items()
        }

    def _call(self, tensors: Parameters, inputs: Tensor) -> Tensor:
        together: Tensor = vmap(self._encoder)(tensors, inputs)
        return together

    def stacked(self, values: Sequence[Tensor]) -> Tensor:
        return torch.stack(list(values))

    def apart(self, values: Tensor) -> Sequence[Tensor]:
        return values.unbind()

    @torch.no_grad()
    def hand_back(self) -> None:
        """Give the networks the weights and statistics that they have by now."""
        counted = dict(self._network.encoder.named_buffers())
        for number, network in enumerate(self._networks):
            for name, value in network.named_parameters():
                value.copy_(self.params[name][number])
            for name, buffer in network.encoder.named_buffers():
                moved = self._running[name][0][number] if name in self._running else counted[name]
                buffer.copy_(moved)
