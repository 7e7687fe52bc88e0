"""Every dataset, loaded once for all tests, and a tiny one to damage."""

from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from functools import cache
from typing import Any

import numpy as np
import pytest

from tests.data.imitations import imitate
from ucmkd import discovery
from ucmkd.data import base
from ucmkd.data.base import Dataset, Samples, Workspace, dataset_class, load_dataset
from ucmkd.data.upstream import MIRROR, fetch, mirror_folder

load_once = cache(lambda name: load_dataset(name).load())
Loader = Callable[[str], tuple[Dataset[Any], Samples]]

with_real_data = pytest.mark.skipif(mirror_folder() is None, reason=f"{MIRROR} names no folder of archives")
"""For tests that read the real archives."""


def reads_own_files(kind: str) -> bool:
    """Tell kinds that load nothing before somebody says where; they bring tests of their own."""
    settings = fields(dataset_class(kind).Settings)
    return any(field.default is MISSING and field.default_factory is MISSING for field in settings)


KINDS = discovery.names("ucmkd.data.datasets")
OWN = [kind for kind in KINDS if reads_own_files(kind)]
GIVEN = [kind for kind in KINDS if kind not in OWN]
PUBLIC = [kind for kind in GIVEN if dataset_class(kind).upstream is not None]


@pytest.fixture(scope="session")
def given(tmp_path_factory: pytest.TempPathFactory) -> Loader:
    """Load a kind that needs no files of one's own; a public one from its imitation."""

    @cache
    def load(kind: str) -> tuple[Dataset[Any], Samples]:
        downloads = tmp_path_factory.mktemp("downloads")
        if kind in PUBLIC:
            imitation = imitate(kind, tmp_path_factory.mktemp(kind))
            fetch(imitation.upstream, downloads / kind, imitation.mirror)
        source = load_dataset(kind, workspace=Workspace(downloads=downloads))
        return source, source.load()

    return load


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Dataset[Any], Samples]]:
    """Load a public kind from its real archive, with settings."""
    downloads = tmp_path_factory.mktemp("real")

    @cache
    def load(kind: str, **values: Any) -> tuple[Dataset[Any], Samples]:
        upstream = dataset_class(kind).upstream
        assert upstream is not None
        if not (downloads / upstream.name).exists():
            fetch(upstream, downloads / upstream.name, mirror_folder())
        source = load_dataset(kind, values, workspace=Workspace(downloads=downloads))
        return source, source.load()

    return load


REAL = [pytest.param((kind, True), id=f"{kind}-real", marks=with_real_data) for kind in PUBLIC]


@pytest.fixture(params=[*(pytest.param((kind, False), id=kind) for kind in GIVEN), *REAL])
def dataset(request: pytest.FixtureRequest, given: Loader, real: Loader) -> tuple[str, Dataset[Any], Samples]:
    """Name, dataset and samples of each dataset that needs no files of one's own."""
    kind, is_real = request.param
    return kind, *(real if is_real else given)(kind)


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
