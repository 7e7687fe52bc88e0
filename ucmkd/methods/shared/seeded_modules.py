"""Auxiliary modules whose first weights come from the method's own random stream."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Generator, nn

M = TypeVar("M", bound=nn.Module)


def seeded(make: Callable[[], M], generator: Generator) -> M:
    """Make a module with the usual first weights, drawn without touching the global random state."""
    seed = torch.randint(2**31, (), generator=generator, device=generator.device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(seed))
        return make()
