"""Arrays of problems that need no gradient: NumPy's for small ones on a processor, torch's for all others.

A NumPy operation takes half the time to call, which is most of what small problems cost. Code on either names
functions that both have, ``axis`` and ``keepdims``.
"""

import math
from contextlib import nullcontext
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

Array = Any
NUMPY_ENTRIES = 2**18  # of a cost matrix: beyond, NumPy's products start threads of their own


def native(x: Tensor, entries: int) -> Array:
    """Cut a tensor off from the gradient, as the array that suits cost matrices of so many entries."""
    x = x.detach()
    return x.numpy() if x.device.type == "cpu" and entries <= NUMPY_ENTRIES else x


def large(cost: Array) -> bool:
    """Tell whether cost matrices have so many entries that they stay torch's."""
    entries: int = math.prod(cost.shape[-2:])
    return entries > NUMPY_ENTRIES


def alike(x: Tensor, array: Array) -> Array:
    """Give a tensor without gradient as an array of the same library as another."""
    return x if isinstance(array, Tensor) else x.numpy()


def tensor(x: Array) -> Tensor:
    """Give an array back to torch, in the same memory."""
    return x if isinstance(x, Tensor) else torch.from_numpy(x)


def module(x: Array) -> ModuleType:
    """Name the library whose functions take this array."""
    return torch if isinstance(x, Tensor) else np


def differentiated(x: Array) -> bool:
    """Tell whether a gradient will pass through what is made of this array."""
    return isinstance(x, Tensor) and x.requires_grad


def fixed(x: Array) -> Array:
    """Cut an array off from the gradient."""
    return x.detach() if isinstance(x, Tensor) else x


def product(x: Array, y: Array) -> Array:
    """Multiply matrices, by torch in any case: NumPy's products of more than a vector start threads early."""
    return alike(torch.matmul(tensor(x), tensor(y)), x)


def read(*numbers: Array) -> list[float]:
    """Read scalars at once: each reading from a GPU waits for all that it has been asked."""
    if isinstance(numbers[0], Tensor):
        return torch.stack(numbers).tolist()
    return [float(number) for number in numbers]


def median_of_rows(x: Array) -> Array:
    """Take the lower median along the last axis, which is kept."""
    if isinstance(x, Tensor):
        return x.median(-1, keepdim=True).values
    middle = (x.shape[-1] - 1) // 2
    return np.partition(x, middle)[..., middle : middle + 1]


def full_precision(x: Tensor) -> torch.autocast | nullcontext[None]:
    """Set autocast aside for what is done to a tensor."""
    if torch.is_autocast_enabled(x.device.type):
        return torch.autocast(x.device.type, enabled=False)
    return nullcontext()
