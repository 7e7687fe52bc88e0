"""Standardised inputs on a device, read from a memory-mapped array."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ucmkd.data.base import Prepared

RESIDENT_BYTES = 256 * 2**20
"""Inputs up to this size are held in memory whole; larger ones are read batch by batch."""


class Inputs:
    """Rows of a dataset as standardised tensors.

    Parameters
    ----------
    data : Prepared
    rows : array of int
        The rows that positions count along.
    device : str
    """

    def __init__(self, data: Prepared, rows: NDArray[np.int64], device: str) -> None:
        self._data, self._rows, self._device = data, rows, device
        statistics = data.card["normalisation"]
        self._mean = torch.tensor(statistics["mean"], dtype=torch.float32, device=device)
        self._std = torch.tensor(statistics["std"], dtype=torch.float32, device=device)
        row_bytes = data.inputs[:1].nbytes
        self._resident = self._read(rows) if len(rows) * row_bytes <= RESIDENT_BYTES else None

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, positions: NDArray[np.int64]) -> Tensor:
        if self._resident is not None:
            return self._resident[torch.from_numpy(positions)]
        return self._read(self._rows[positions])

    def _read(self, rows: NDArray[np.int64]) -> Tensor:
        raw = torch.from_numpy(np.array(self._data.inputs[rows])).to(self._device)
        return (raw - self._mean) / self._std
