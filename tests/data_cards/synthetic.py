"""Small stored datasets of every modality, with names and texts that a page must not trust."""

from pathlib import Path
from typing import Any

import numpy as np

from ucmkd.data import base
from ucmkd.data.base import Samples
from ucmkd.data.prepared import write_prepared
from ucmkd.data.words import number_words
from ucmkd.settings import NoSettings

PER_CLASS = {"train": 6, "val": 2, "test": 2}
HOSTILE = "<script>alert('x')</script>"
LONG = "Words " * 80
LONG_NAME = "a name that goes on and on and on and on"


class Given(base.Dataset[NoSettings]):
    """Samples that are given."""

    title, licence, citation = "A dataset of the tests", "none", "no article"
    source = "made in the tests"
    Settings = NoSettings

    def __init__(self, modality: str, samples: Samples, **attributes: Any) -> None:
        super().__init__(NoSettings())
        self.modality, self.samples = modality, samples
        for name, value in attributes.items():
            setattr(self, name, value)

    def load(self) -> Samples:
        return self.samples


def labelled(inputs_of: Any, classes: tuple[str, ...], **changes: Any) -> Samples:
    """Give samples of all classes in all splits; ``inputs_of`` takes labels (n,) and a generator."""
    split = np.repeat(list(PER_CLASS), [count * len(classes) for count in PER_CLASS.values()]).tolist()
    labels = np.arange(len(split), dtype=np.int64) % len(classes)
    ids = [f"sample{row:04d}" for row in range(len(split))]
    columns = {"inputs": inputs_of(labels, np.random.default_rng(0)), "labels": labels, "classes": classes,
               "ids": ids, "groups": ids, "split": split}  # fmt: skip
    return Samples(**(columns | changes))


def images(labels: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Two frames in colour (n, 2, 3, 12, 16): a patch whose place is the class; the second frame is black."""
    pixels = np.zeros((len(labels), 2, 3, 12, 16), dtype=np.uint8)
    pixels[:, 0] = draw.integers(0, 60, (len(labels), 3, 12, 16))
    for row, label in enumerate(labels):
        pixels[row, 0, label % 3, 2:8, label : label + 4] = 220
    return pixels


def sounds(labels: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    values = draw.normal(size=(len(labels), 1, 16, 20))
    values[np.arange(len(labels)), 0, 3 + 4 * labels] += 6
    return values.astype(np.float32)


def rows(labels: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    return (draw.normal(size=(len(labels), 6)) * 5 + labels[:, None]).astype(np.float32)


def lines(labels: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    time = np.linspace(0, 6, 40) * (1 + labels[:, None, None])
    return np.sin(time + draw.uniform(0, 6, (len(labels), 3, 1))).astype(np.float32)


def text_of(row: int) -> str:
    return LONG if row % 3 == 0 else f"{HOSTILE} number {row}"


def write_datasets(folder: Path) -> list[Path]:
    """Store one dataset of each modality, and texts of which only numbers of words are kept."""
    texts = [text_of(row) for row in range(2 * sum(PER_CLASS.values()))]

    skipped = {f"file{k:02d}": f"{HOSTILE} is no file" for k in range(25)}
    names = [f"review{row}" for row in range(len(texts))]

    def numbers(labels: np.ndarray, _: np.random.Generator) -> np.ndarray:
        return number_words(texts, length=12)

    sets = {
        "frames": Given("image", labelled(images, tuple(f"class {k}" for k in range(12)))),
        "sounds": Given("audio", labelled(sounds, ("low", "middle", LONG_NAME))),
        "reviews": Given("text", labelled(numbers, (f"{HOSTILE} bad", "good"), texts=texts, pair_ids=names),
                         quirks=(f"Written by {HOSTILE}.",), instances="reviews"),
        "numbers_only": Given("text", labelled(numbers, ("bad", "good"), pair_ids=names),
                              instances="reviews"),
        "rows": Given("tabular", labelled(rows, tuple(f"kind {k}" for k in range(60)))),
        "lines": Given("sequence", labelled(lines, ("$slow_1$", "$fast"), skipped=skipped)),
    }  # fmt: skip
    for name, dataset in sets.items():
        write_prepared(folder / name, name, dataset, {"kind": f"kind_of_{name}", "length": 12})
    return [folder / name for name in sets]
