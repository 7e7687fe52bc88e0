"""Every dataset, loaded once for all tests, and a tiny one to damage."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest

from ucmkd import discovery
from ucmkd.data import base
from ucmkd.data.base import Dataset, Samples, load_dataset

load_once = cache(lambda name: load_dataset(name).load())


@pytest.fixture(params=discovery.names("ucmkd.data.datasets"))
def dataset(request: pytest.FixtureRequest) -> tuple[str, Dataset[Any], Samples]:
    """Name, dataset and samples of each dataset there is."""
    return request.param, load_dataset(request.param), load_once(request.param)


@dataclass(frozen=True, kw_only=True)
class TinySettings:
    """Nothing to set."""


class Tiny(base.Dataset[TinySettings]):
    """Two classes, twelve rows of three numbers, groups of two."""

    modality = "tabular"
    title, licence, citation, source = "Tiny", "none", "none", "made in the tests"
    instances = "tiny"
    grouped = True
    Settings = TinySettings

    def __init__(self, **changes: Any) -> None:
        super().__init__(TinySettings())
        self.changes = changes

    def load(self) -> Samples:
        """Give the rows, with the changes the test asked for."""
        columns: dict[str, Any] = {
            "inputs": np.arange(36, dtype=np.float32).reshape(12, 3) ** 2,
            "labels": np.arange(12) % 2,
            "classes": ("even", "odd"),
            "ids": [f"row{i}" for i in range(12)],
            "groups": [f"pair, {i // 2}" for i in range(12)],
            "split": ["train"] * 6 + ["val"] * 2 + ["test"] * 4,
            "pair_ids": [f"thing{i}" for i in range(12)],
        }
        return Samples(**(columns | self.changes))
