"""Inputs on a device, read from a memory-mapped array; standardised, but for the words of a text."""

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ucmkd.data.prepared import Prepared
from ucmkd.training.transfer import on_device

RESIDENT_BYTES = 256 * 2**20
"""Inputs up to this size are held in memory whole; larger ones are read batch by batch."""


class Inputs:
    """Rows of a dataset as tensors: float32 and standardised, or the numbers of words as they are.

    Parameters
    ----------
    data : Prepared
    rows : array of int
        The rows that positions count along.
    device : str
    disturb : callable, optional
        From row numbers of the dataset and their standardised inputs to what is shown instead.

    Attributes
    ----------
    row_bytes : int
        Of one row as a tensor of four bytes a number.
    """

    def __init__(
        self,
        data: Prepared,
        rows: NDArray[np.int64],
        device: str,
        disturb: Callable[[NDArray[np.int64], Tensor], Tensor] | None = None,
    ) -> None:
        self._data, self._rows, self._device, self._disturb = data, rows, device, disturb
        statistics = data.card["normalisation"]
        self._mean = torch.tensor(statistics["mean"], dtype=torch.float32, device=device)
        self._std = torch.tensor(statistics["std"], dtype=torch.float32, device=device)
        self.row_bytes = 4 * math.prod(data.inputs.shape[1:])
        self._resident = self._read(rows) if len(rows) * self.row_bytes <= RESIDENT_BYTES else None

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, positions: NDArray[np.int64]) -> Tensor:
        if self._resident is not None:
            return self._resident[on_device(positions, self._device)]
        return self._read(self._rows[positions])

    def _read(self, rows: NDArray[np.int64]) -> Tensor:
        raw = on_device(np.asarray(self._data.inputs[rows]), self._device)
        if raw.dtype == torch.int32:
            return raw
        standardised = (raw - self._mean) / self._std
        return standardised if self._disturb is None else self._disturb(rows, standardised)
