"""Arrays on a device."""

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor


def on_device(array: NDArray[Any], device: str) -> Tensor:
    """Share an array's memory as a tensor, or copy it to a GPU without waiting for it."""
    tensor = torch.from_numpy(array)
    return tensor if device == "cpu" else tensor.pin_memory().to(device, non_blocking=True)
