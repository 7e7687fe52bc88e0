"""A user's own files, made up."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from PIL import Image

from ucmkd.data.base import Dataset, Samples, Workspace, load_dataset, validate

CLASSES = ("cat", "dog", "owl")
RATE = 8000


def picture(seed: int, shape: tuple[int, ...] = (12, 10, 3)) -> np.ndarray:
    """Give bytes that no other seed gives."""
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def write_image(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(seed)).save(path)
    return path


def write_sound(path: Path, seed: int, samples: int = 4000, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * np.random.default_rng(seed).normal(size=samples), RATE, **options)
    return path


def write_images(folder: Path, classes: Sequence[str] = CLASSES, each: int = 10, first: int = 0) -> Path:
    """Write ``each`` different images of every class."""
    for label, name in enumerate(classes):
        for number in range(each):
            write_image(folder / name / f"{number:02d}.png", first + label * each + number)
    return folder


def write_sounds(folder: Path, classes: Sequence[str] = CLASSES, each: int = 10) -> Path:
    """Write ``each`` different sounds of every class."""
    for label, name in enumerate(classes):
        for number in range(each):
            write_sound(folder / name / f"{number:02d}.wav", label * each + number)
    return folder


def write_table(path: Path, rows: Sequence[Mapping[str, Any]], delimiter: str = ",") -> Path:
    """Write rows with the same keys; cells are written as they are."""
    lines = [list(rows[0]), *(list(map(str, row.values())) for row in rows)]
    path.write_text("\n".join(delimiter.join(line) for line in lines) + "\n", encoding="utf-8")
    return path


def numbers(each: int = 10, classes: Sequence[str] = CLASSES) -> list[dict[str, Any]]:
    """Give rows of two different numbers and a label."""
    return [
        {"height": f"{label}.{number:02d}", "width": str(number * 3), "label": name}
        for number in range(each)
        for label, name in enumerate(classes)
    ]


def read(kind: str, tmp_path: Path, workers: int = 1, **settings: Any) -> tuple[Dataset[Any], Samples]:
    """Load and validate a dataset, as it is before it is stored."""
    workspace = Workspace(scratch=tmp_path / ".scratch", workers=workers)
    dataset = load_dataset(kind, settings, place="datasets.mine", workspace=workspace)
    samples = dataset.load()
    validate(samples, modality=dataset.modality, grouped=dataset.grouped, place="mine")
    return dataset, samples


def splits_of(samples: Samples) -> dict[str, str]:
    """Give the split of each sample, by its id."""
    return dict(zip(samples.ids, samples.split, strict=True))


def labels_of(samples: Samples) -> dict[str, str]:
    """Give the class of each sample, by its id."""
    names = [samples.classes[label] for label in samples.labels]
    return dict(zip(samples.ids, names, strict=True))


def counts_of(samples: Samples) -> dict[tuple[str, str], int]:
    """Count samples by class and split."""
    pairs = list(zip(labels_of(samples).values(), samples.split, strict=True))
    return {pair: pairs.count(pair) for pair in sorted(set(pairs))}
