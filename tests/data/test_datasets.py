"""What every dataset keeps to. Dropping a file into the folder enrols it.

Public data sets are read from imitations, and from the real archives where there is a folder of them. Kinds
that read somebody's own files have tests of their own.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.data.conftest import GIVEN, OWN, PUBLIC, Loader
from tests.data.imitations import FILES
from ucmkd.data.base import SPLITS, Dataset, Samples, validate
from ucmkd.data.prepared import digest, read_prepared, write_prepared

Case = tuple[str, Dataset[Any], Samples]
HERE = Path(__file__).parent

DIGESTS = """
import json, sys
from pathlib import Path
from tests.data.test_datasets import everything
from ucmkd.data.base import Workspace, load_dataset
for kind, downloads in json.loads(sys.argv[1]).items():
    print(kind, everything(load_dataset(kind, workspace=Workspace(downloads=Path(downloads))).load()))
"""


def everything(s: Samples) -> str:
    """Hash all that samples hold."""
    columns = [
        s.labels.tolist(),
        *(list(c or []) for c in (s.classes, s.ids, s.groups, s.split, s.pair_ids, s.texts)),
    ]
    return digest(s.inputs, json.dumps(columns))


class TestContract:
    def test_it_passes_validation(self, dataset: Case) -> None:
        name, source, samples = dataset
        validate(samples, modality=source.modality, grouped=source.grouped, place=name)

    def test_groups_stay_in_one_split(self, dataset: Case) -> None:
        _, source, samples = dataset
        homes = [set(np.asarray(samples.groups)[np.asarray(samples.split) == part]) for part in SPLITS]
        assert not source.grouped or len(set.union(*homes)) == sum(map(len, homes))

    def test_validation_is_no_larger_than_training(self, dataset: Case) -> None:
        train, val, _ = (list(dataset[2].split).count(part) for part in SPLITS)
        assert val <= train

    def test_its_card_says_where_it_comes_from(self, dataset: Case) -> None:
        source = dataset[1]
        assert source.modality in {"image", "audio", "text", "tabular", "sequence"}
        assert all((source.title, source.licence, source.citation, source.source))
        assert source.instances is None or dataset[2].pair_ids is not None

    def test_inputs_differ_between_samples(self, dataset: Case) -> None:
        rows = dataset[2].inputs.reshape(len(dataset[2].inputs), -1)
        assert len(np.unique(rows, axis=0)) > 0.99 * len(rows)

    def test_it_comes_back_from_the_disk(
        self, dataset: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        name, source, samples = dataset
        monkeypatch.setattr(source, "load", lambda: samples)
        write_prepared(tmp_path / name, name, source, {})
        prepared = read_prepared(tmp_path / name)
        np.testing.assert_array_equal(prepared.inputs, samples.inputs)
        np.testing.assert_array_equal(prepared.labels, samples.labels)
        assert prepared.ids.tolist() == list(samples.ids)

    def test_classes_can_be_told_apart_on_test_rows(self, dataset: Case) -> None:
        """The mean training sample of each class is nearer to its test samples than chance allows."""
        samples, split = dataset[2], np.asarray(dataset[2].split)
        rows = samples.inputs.reshape(len(samples.inputs), -1).astype(np.float64)
        classes = range(len(samples.classes))
        means = np.stack([rows[(split == "train") & (samples.labels == k)].mean(0) for k in classes])
        test = rows[split == "test"]
        nearest = np.array([((row - means) ** 2).sum(1).argmin() for row in test])
        assert (nearest == samples.labels[split == "test"]).mean() > min(2 / len(samples.classes), 0.6)


def test_another_process_gives_the_same_to_the_last_bit(given: Loader) -> None:
    loaded = {kind: given(kind) for kind in GIVEN}
    downloads = {kind: str(source.workspace.downloads) for kind, (source, _) in loaded.items()}
    result = subprocess.run(
        [sys.executable, "-c", DIGESTS, json.dumps(downloads)],
        cwd=HERE.parents[1],
        env=os.environ | {"OMP_NUM_THREADS": "1"},  # small pictures are too small to share out
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.splitlines() == [f"{kind} {everything(s)}" for kind, (_, s) in loaded.items()]


def test_every_public_dataset_has_an_imitation() -> None:
    assert set(PUBLIC) == set(FILES)


@pytest.mark.parametrize("kind", OWN)
def test_a_dataset_of_own_files_has_tests_of_its_own(kind: str) -> None:
    others = [path for path in HERE.glob("test_*.py") if path.name != Path(__file__).name]
    named = [path for path in others if f'"{kind}"' in path.read_text(encoding="utf-8")]
    assert HERE / f"test_{kind}.py" in others or named
