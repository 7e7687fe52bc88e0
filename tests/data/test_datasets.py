"""What every dataset keeps to. Dropping a file into the folder enrols it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from ucmkd.data.base import SPLITS, Dataset, Samples, digest, read_prepared, validate, write_prepared

Case = tuple[str, Dataset[Any], Samples]

DIGEST = """
import json, sys
from ucmkd.data.base import digest, load_dataset
s = load_dataset(sys.argv[1]).load()
columns = [s.labels.tolist(), *(list(c or []) for c in (s.classes, s.ids, s.groups, s.split, s.pair_ids))]
print(digest(s.inputs, json.dumps(columns)))
"""


class TestContract:
    def test_it_passes_validation(self, dataset: Case) -> None:
        name, source, samples = dataset
        validate(samples, grouped=source.grouped, place=name)

    def test_groups_stay_in_one_split(self, dataset: Case) -> None:
        _, source, samples = dataset
        homes = [set(np.asarray(samples.groups)[np.asarray(samples.split) == part]) for part in SPLITS]
        assert not source.grouped or len(set.union(*homes)) == sum(map(len, homes))

    def test_training_is_the_largest_part(self, dataset: Case) -> None:
        counts = [list(dataset[2].split).count(part) for part in SPLITS]
        assert counts[0] == max(counts)

    def test_its_card_says_where_it_comes_from(self, dataset: Case) -> None:
        source = dataset[1]
        assert source.modality in {"image", "audio", "text", "tabular", "sequence"}
        assert all((source.title, source.licence, source.citation, source.source))
        assert source.instances is None or dataset[2].pair_ids is not None

    def test_inputs_differ_between_samples(self, dataset: Case) -> None:
        rows = dataset[2].inputs.reshape(len(dataset[2].inputs), -1)
        assert len(np.unique(rows, axis=0)) > 0.99 * len(rows)

    def test_another_process_gives_the_same_to_the_last_bit(self, dataset: Case) -> None:
        name, _, s = dataset
        result = subprocess.run(
            [sys.executable, "-c", DIGEST, name],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        )
        columns = [
            s.labels.tolist(),
            *(list(c or []) for c in (s.classes, s.ids, s.groups, s.split, s.pair_ids)),
        ]
        assert result.stdout.strip() == digest(s.inputs, json.dumps(columns))

    def test_it_comes_back_from_the_disk(self, dataset: Case, tmp_path: Path) -> None:
        name, source, samples = dataset
        source.load = lambda: samples  # type: ignore[method-assign]
        write_prepared(tmp_path / name, name, source, {})
        prepared = read_prepared(tmp_path / name)
        np.testing.assert_array_equal(prepared.inputs, samples.inputs)
        np.testing.assert_array_equal(prepared.labels, samples.labels)
        assert prepared.ids.tolist() == list(samples.ids)

    def test_classes_can_be_told_apart_on_test_rows(self, dataset: Case) -> None:
        """The mean training sample of each class is nearer to its test samples than chance allows."""
        samples, split = dataset[2], np.asarray(dataset[2].split)
        rows = samples.inputs.reshape(len(samples.inputs), -1)
        classes = range(len(samples.classes))
        means = np.stack([rows[(split == "train") & (samples.labels == k)].mean(0) for k in classes])
        test = rows[split == "test"]
        nearest = ((test[:, None] - means) ** 2).sum(2).argmin(1)
        assert (nearest == samples.labels[split == "test"]).mean() > 2 / len(samples.classes)
