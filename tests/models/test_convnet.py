"""The small convolutional network lays images channels last, which is what makes it fast."""

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from ucmkd.models import convnet

SETTINGS = convnet.Settings()


def seen_by_convolutions(network: nn.Module, images: Tensor) -> list[Tensor]:
    seen: list[Tensor] = []
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network(images)
    return seen


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_convolutions_see_channels_last(channels: int, layout: torch.memory_format) -> None:
    images = torch.randn(4, channels, 20, 17).contiguous(memory_format=layout)
    seen = seen_by_convolutions(convnet.build(images.shape[1:], "student", SETTINGS), images)
    assert len(seen) == 2
    for values in seen:
        assert values.stride(1) == 1
        assert values.stride(3) == values.shape[1]


def test_a_stack_of_networks_reads_a_stack_of_batches() -> None:
    networks = [convnet.build((1, 16, 16), "student", SETTINGS).eval() for _ in range(2)]
    images = torch.randn(2, 4, 1, 16, 16)
    stacked = {
        name: torch.stack([network.state_dict()[name] for network in networks])
        for name in networks[0].state_dict()
    }
    together = vmap(lambda state, batch: functional_call(networks[0], state, (batch,)))(stacked, images)
    for network, batch, features in zip(networks, images, together, strict=True):
        torch.testing.assert_close(network(batch), features)
