"""Your own arrays: inputs in one ``.npy`` file, labels in another file."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ucmkd.data.base import Samples, Workspace
from ucmkd.data.own.dataset import OwnDataset
from ucmkd.data.own.entry import Entry
from ucmkd.data.own.files import existing, stamp
from ucmkd.data.own.labels import rename
from ucmkd.data.own.settings import OwnSettings, expanded
from ucmkd.data.own.table import read_table, table_entries
from ucmkd.data.words import BUCKETS
from ucmkd.errors import DataError

SHAPES: dict[str, tuple[str, Callable[[tuple[int, ...]], bool]]] = {
    "image": ("(n, channels, height, width) with 1 to 4 channels", lambda s: len(s) == 4 and s[1] <= 4),
    "audio": ("(n, 1, bands, frames)", lambda s: len(s) == 4 and s[1] == 1),
    "tabular": ("(n, columns)", lambda s: len(s) == 2),
    "sequence": ("(n, channels, steps)", lambda s: len(s) == 3),
    "text": ("(n, length)", lambda s: len(s) == 2),
}
"""For each modality the shape of the inputs, in words and as a test."""


@dataclass(frozen=True, kw_only=True)
class Settings(OwnSettings):
    """Where the arrays are.

    Attributes
    ----------
    inputs : str
        A ``.npy`` file whose first axis counts samples.
    labels_file : str
        Whole numbers or names in a ``.npy`` file; names in a ``.txt`` file, one a line; or a ``.csv`` file
        with a heading, which may have more columns than that of the labels.
    modality : "image", "audio", "tabular", "sequence" or "text"
        What a sample is: texts are numbers of words from 1, 0 where a text is over.
    label, split, id : str
        Columns of a ``.csv`` file of labels.
    """

    inputs: str
    labels_file: str
    modality: Literal["image", "audio", "tabular", "sequence", "text"]
    label: str = "label"
    split: str | None = None
    id: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        named = [name for name in ("split", "id", "group", "pair") if getattr(self, name) is not None]
        if named and not self.labels_file.endswith(".csv"):
            raise ValueError(
                f"{named[0]} names a column, and '{self.labels_file}' has none; give a .csv file"
            )


class Dataset(OwnDataset[Settings]):
    """Inputs as they are, in single precision; bytes of images stay bytes."""

    modality = "any"
    title = "Array"
    Settings = Settings

    def __init__(self, settings: Any, workspace: Workspace | None = None) -> None:
        super().__init__(settings, workspace)
        self.modality = settings.modality

    @property
    def place(self) -> Path:
        """The file of inputs."""
        return expanded(self.settings.inputs)

    def stamp(self) -> str:
        """Change with the sizes and times of both files."""
        return stamp(self.place.parent, [self.place, expanded(self.settings.labels_file)])

    def load(self) -> Samples:
        """Read the arrays in their order."""
        s = self.settings
        inputs = _as_stored(_read_array(existing(self.place)), s.modality, self.place)
        contents = [hashlib.sha256(np.ascontiguousarray(row).data).hexdigest() for row in inputs]
        entries = _read_labels(existing(expanded(s.labels_file)), contents, s)
        entries, classes, dropped = rename(entries, s, s.labels_file)
        kept = inputs if not dropped else inputs[[entry.row for entry in entries]]
        return self.arrange(kept, entries, classes, dropped)


def _read_array(path: Path) -> NDArray[Any]:
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        what = (
            "holds Python objects, which are not read" if "bject" in str(error) else f"is no array ({error})"
        )
        raise DataError(f"{path}: {what}; save numbers with numpy.save") from None
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path}: holds several arrays; save each with numpy.save")
    return array


def _as_stored(array: NDArray[Any], modality: str, path: Path) -> NDArray[Any]:
    words, fits = SHAPES[modality]
    if 0 in array.shape or not fits(array.shape):
        raise DataError(f"{path}: has shape {array.shape}; inputs of modality '{modality}' are {words}")
    if array.dtype.kind not in "fiub":
        raise DataError(f"{path}: holds {array.dtype}; give numbers")
    if modality == "text":
        if array.dtype.kind not in "iu" or array.min() < 0 or array.max() >= BUCKETS or not array[:, 0].all():
            raise DataError(
                f"{path}: words are whole numbers from 1 to {BUCKETS - 1}, and 0 only where a text is over; "
                "text_csv makes them of texts"
            )
        return array.astype(np.int32)
    if modality == "image" and array.dtype == np.uint8:
        return array
    with np.errstate(over="ignore"):
        single = array.astype(np.float32)
    bad = ~np.isfinite(single.reshape(len(single), -1)).all(axis=1)
    if bad.any():
        raise DataError(
            f"{path}: row {int(bad.argmax())} holds what is NaN, infinite or beyond single precision; mend "
            "or drop it"
        )
    return single


def _read_labels(path: Path, contents: list[str], s: Settings) -> list[Entry]:
    if path.suffix == ".csv":
        table = read_table(path, ",")
        _check_count(path, len(table.lines), len(contents))
        return table_entries(
            table, contents, label=s.label, split=s.split, group=s.group, pair=s.pair, name=s.id
        )
    names = _names_of(_read_array(path), path) if path.suffix == ".npy" else _lines(path)
    _check_count(path, len(names), len(contents))
    return [
        Entry(row=row, name=f"row{row}", label=name, content=content)
        for row, (name, content) in enumerate(zip(names, contents, strict=True))
    ]


def _names_of(labels: NDArray[Any], path: Path) -> list[str]:
    if labels.ndim != 1:
        raise DataError(f"{path}: has shape {labels.shape}; give one label a sample, shape (n,)")
    if labels.dtype.kind not in "iubU":
        raise DataError(
            f"{path}: holds {labels.dtype}; give whole numbers or names, for example by labels.astype(int)"
        )
    return [str(label) for label in labels.tolist()]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise DataError(f"{path}: is not UTF-8; save it with that encoding") from None


def _check_count(path: Path, labels: int, inputs: int) -> None:
    if labels != inputs:
        raise DataError(f"{path}: {labels} labels for {inputs} inputs; give one a sample")
