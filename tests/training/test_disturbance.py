"""What shifts do to inputs."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests import toy as make
from ucmkd.data.base import Samples
from ucmkd.data.prepared import Prepared, read_prepared
from ucmkd.data.shifts import Shift
from ucmkd.training.disturbance import Jitter, disturbance_of
from ucmkd.training.inputs import Inputs

ROWS = 400
PARTS = {"train": 200, "val": 100, "test": 100}


def stored(folder: Path, modality: str, inputs: np.ndarray) -> Prepared:
    """Store inputs as a dataset of two classes."""
    names = [f"r{row}" for row in range(len(inputs))]
    samples = Samples(
        inputs=inputs.astype(np.float32),
        labels=np.arange(len(inputs), dtype=np.int64) % 2,
        classes=("a", "b"),
        ids=names,
        groups=names,
        split=np.repeat(list(PARTS), list(PARTS.values())).tolist(),
    )
    dataset = make.ToyDataset(samples, None)
    dataset.modality = modality  # type: ignore[misc]
    make.write_prepared(folder, folder.name, dataset, {})
    return read_prepared(folder)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Columns of very different scales."""
    inputs = np.random.default_rng(0).normal(size=(ROWS, 25)) * np.linspace(1, 100, 25)
    return stored(tmp_path_factory.mktemp("data") / "table", "tabular", inputs)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Colour images in [0, 8]."""
    inputs = np.random.default_rng(1).uniform(0, 8, size=(ROWS, 3, 12, 12))
    return stored(tmp_path_factory.mktemp("data") / "pictures", "image", inputs)


def read(data: Prepared, shift: Shift | None, role: Any, part: str) -> torch.Tensor:
    rows = data.rows(part)
    return Inputs(data, rows, "cpu", disturbance_of(shift, role, data))[np.arange(len(rows))]


class TestNoise:
    @pytest.mark.parametrize("snr_db", [-6.0, 0.0, 10.0])
    def test_its_power_is_what_the_ratio_says(self, table: Prepared, snr_db: float) -> None:
        """5,000 draws estimate a standard deviation to within 1 %; four of those are allowed."""
        added = read(table, Shift(student_snr_db=snr_db), "student", "train") - read(
            table, None, "student", "train"
        )
        assert added.std().item() == pytest.approx(10 ** (-snr_db / 20), rel=0.04)
        assert added.mean().abs().item() < 4 * added.std().item() / added.numel() ** 0.5

    @pytest.mark.parametrize(
        ("shift", "role", "disturbed"),
        [
            (Shift(student_snr_db=0.0), "student", {"train", "val"}),
            (Shift(student_test_snr_db=0.0), "student", {"test"}),
            (Shift(teacher_snr_db=0.0), "teacher", {"train", "val", "test"}),
            (Shift(teacher_snr_db=0.0), "student", set()),
            (Shift(student_snr_db=0.0, student_test_snr_db=0.0), "teacher", set()),
            (Shift(legacy_level=0.5), "student", {"train"}),
            (Shift(legacy_level=0.5), "teacher", set()),
            (Shift(student_share=0.5), "student", set()),
        ],
    )
    def test_it_reaches_the_rows_it_should(
        self, table: Prepared, shift: Shift, role: str, disturbed: set[str]
    ) -> None:
        changed = {
            part
            for part in PARTS
            if not torch.equal(read(table, shift, role, part), read(table, None, role, part))
        }
        assert changed == disturbed

    def test_a_row_has_the_same_noise_whenever_it_is_read(self, table: Prepared) -> None:
        disturb = disturbance_of(Shift(student_snr_db=0.0), "student", table)
        inputs = Inputs(table, table.rows("train"), "cpu", disturb)
        again = Inputs(table, table.rows("train")[::-1].copy(), "cpu", disturb)
        assert torch.equal(inputs[np.array([3, 7])], again[np.array([196, 192])])
        assert not torch.equal(inputs[np.array([3])], inputs[np.array([7])])

    def test_legacy_noise_has_the_released_size_in_raw_units(self, table: Prepared) -> None:
        shift, level = Shift(legacy_level=0.5), 0.05 + 0.2 * 0.5
        added = read(table, shift, "student", "train") - read(table, None, "student", "train")
        raw = added * torch.tensor(table.card["normalisation"]["std"])
        assert raw.std().item() == pytest.approx(level, rel=0.04)


class TestJitter:
    def test_training_images_of_the_student_change_and_no_others(self, pictures: Prepared) -> None:
        shift = Shift(legacy_level=0.5)
        for role, part in (("student", "train"), ("student", "test"), ("teacher", "train")):
            same = torch.equal(read(pictures, shift, role, part), read(pictures, None, role, part))
            assert same == ((role, part) != ("student", "train"))

    def test_values_stay_in_the_range_of_the_data(self, pictures: Prepared) -> None:
        statistics = pictures.card["normalisation"]
        shown = read(pictures, Shift(legacy_level=1.0), "student", "train")
        raw = shown * statistics["std"][0] + statistics["mean"][0]
        assert raw.min() >= -1e-4
        assert raw.max() <= float(pictures.inputs.max()) + 1e-4

    @pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
    def test_images_are_greyed_and_erased_as_often_as_released(self, level: float) -> None:
        """Frequencies over 400 draws, within four standard errors; an erased image has black pixels."""
        jitter, chance = Jitter(level, 0.0, 1.0, 1.0), 0.1 + 0.2 * level
        image = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0)) * 0.5 + 0.4
        shown = [jitter(image, np.random.default_rng(seed)) for seed in range(400)]
        grey = np.mean([bool((one[0] - one[1]).abs().max() < 1e-6) for one in shown])
        erased = np.mean([bool((one == 0).all(0).any()) for one in shown])
        error = 4 * (chance * (1 - chance) / 400) ** 0.5
        assert grey == pytest.approx(chance, abs=error)
        assert erased == pytest.approx(chance, abs=error)

    def test_grey_images_keep_their_one_channel(self) -> None:
        shown = Jitter(1.0, 0.0, 1.0, 1.0)(torch.rand(1, 9, 7), np.random.default_rng(0))
        assert shown.shape == (1, 9, 7)
