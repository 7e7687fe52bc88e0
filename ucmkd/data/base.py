"""What a dataset is, in memory and on disk."""

import csv
import hashlib
import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from ucmkd import discovery, settings
from ucmkd.errors import DataError
from ucmkd.files import atomic_folder, read_json, write_json

SPLITS = ("train", "val", "test")
S = TypeVar("S")


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Labelled samples of one modality, split.

    Attributes
    ----------
    inputs : array, shape (n, ...)
        float32, finite.
    labels : array, shape (n,)
        Class indices, int64.
    classes : tuple of str
        Class names; ``labels`` index it.
    ids, groups, split : sequences of n strings
        Unique name of the sample; what must not be torn apart by the split (speaker, writer, patient);
        ``train``, ``val`` or ``test``.
    pair_ids : sequence of n strings, optional
        The instance a sample shows. Datasets with the same ``Dataset.instances`` share these names.
    """

    inputs: NDArray[np.float32]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    ids: Sequence[str]
    groups: Sequence[str]
    split: Sequence[str]
    pair_ids: Sequence[str] | None = None


class Dataset(ABC, Generic[S]):
    """A source of samples. A file in ``ucmkd/data/datasets`` defines ``Dataset(base.Dataset[Settings])``.

    Attributes
    ----------
    modality : str
        ``image``, ``audio``, ``text``, ``tabular`` or ``sequence``.
    title, licence, citation, source : str
        For the data card.
    instances : str or None
        Name space of the pair ids: two datasets with the same one are paired by nature.
    grouped : bool
        Whether groups are known; then none of them may stand in two splits.
    """

    modality: ClassVar[str]
    title: ClassVar[str]
    licence: ClassVar[str]
    citation: ClassVar[str]
    source: ClassVar[str]
    instances: ClassVar[str | None] = None
    grouped: ClassVar[bool] = False
    Settings: ClassVar[type[Any]]

    def __init__(self, settings: S) -> None:
        self.settings = settings

    @abstractmethod
    def load(self) -> Samples:
        """Read or make the samples, the same to the last bit every time."""


@dataclass(frozen=True)
class Prepared:
    """A dataset on disk, inputs memory-mapped.

    Attributes
    ----------
    inputs : array, shape (n, ...)
        Read-only memory map, float32, not normalised.
    labels : array, shape (n,)
    ids, groups, split, pair_ids : arrays of n strings
        ``pair_ids`` holds empty strings where the dataset has none.
    card : dict
        See :func:`write_prepared`.
    """

    inputs: NDArray[np.float32]
    labels: NDArray[np.int64]
    ids: NDArray[np.str_]
    groups: NDArray[np.str_]
    split: NDArray[np.str_]
    pair_ids: NDArray[np.str_]
    card: dict[str, Any]

    def rows(self, split: str) -> NDArray[np.int64]:
        """Row numbers of one split."""
        return np.flatnonzero(self.split == split)


def load_dataset(name: str, values: dict[str, Any] | None = None) -> Dataset[Any]:
    """Build the dataset ``name`` with settings from the configuration."""
    cls = discovery.load("ucmkd.data.datasets", name, "Dataset")
    dataset: Dataset[Any] = cls(settings.build(cls.Settings, values or {}, f"datasets.{name}"))
    return dataset


def validate(samples: Samples, *, grouped: bool, place: str) -> None:
    """Refuse samples that cannot give an honest number.

    Raises
    ------
    DataError
        For no samples, NaN or infinite inputs, lengths or types that differ, labels outside the classes, a
        class that is missing from a split, an unknown split name, repeated ids, or a group in two splits.
    """
    n = len(samples.inputs)
    if n == 0:
        raise DataError(f"{place}: no samples; check where the dataset looks for them")
    for column in ("labels", "ids", "groups", "split", "pair_ids"):
        values = getattr(samples, column)
        if values is not None and len(values) != n:
            raise DataError(f"{place}: {len(values)} {column} for {n} inputs; give one a sample")
    if samples.inputs.dtype != np.float32 or samples.labels.dtype != np.int64:
        raise DataError(f"{place}: inputs must be float32 and labels int64, not "
                        f"{samples.inputs.dtype} and {samples.labels.dtype}")  # fmt: skip
    bad = ~np.isfinite(samples.inputs.reshape(n, -1)).all(axis=1)
    if bad.any():
        raise DataError(f"{place}: NaN or infinite inputs in {bad.sum()} samples, first "
                        f"'{samples.ids[int(bad.argmax())]}'; mend or drop them")  # fmt: skip
    repeated = [name for name, times in Counter(samples.ids).items() if times > 1]
    if repeated:
        raise DataError(f"{place}: id '{repeated[0]}' occurs more than once; ids must be unique")
    unknown = sorted(set(samples.split) - set(SPLITS))
    if unknown:
        raise DataError(f"{place}: split '{unknown[0]}' is not one of {', '.join(SPLITS)}")
    if not 0 <= samples.labels.min() <= samples.labels.max() < len(samples.classes):
        raise DataError(f"{place}: labels must lie in 0..{len(samples.classes) - 1}")
    for part, counts in count(samples.labels, samples.split, len(samples.classes)).items():
        if 0 in counts:
            empty = samples.classes[counts.index(0)]
            raise DataError(f"{place}: class '{empty}' has no {part} sample; every split needs every class")
    if grouped:
        home: dict[str, str] = {}
        for group, part in zip(samples.groups, samples.split, strict=True):
            if home.setdefault(group, part) != part:
                raise DataError(f"{place}: group '{group}' stands in {home[group]} and {part}; "
                                "a group belongs to one split")  # fmt: skip


def write_prepared(folder: str | Path, name: str, dataset: Dataset[Any], resolved: dict[str, Any]) -> None:
    """Load, check and store a dataset as ``inputs.npy``, ``samples.csv`` and ``card.json``.

    Parameters
    ----------
    folder : path
        Where the three files go, and nothing else may be: it is replaced, completely or not at all.
    name : str
        The dataset's name.
    dataset : Dataset
    resolved : dict
        The settings it was built with, for the card.

    Raises
    ------
    DataError
        If the samples are refused (see :func:`validate`) or cannot be stored.
    """
    samples = dataset.load()
    validate(samples, grouped=dataset.grouped, place=name)
    if dataset.instances and samples.pair_ids is None:
        raise DataError(f"{name}: instances '{dataset.instances}' without pair_ids; give one a sample")
    inputs = np.ascontiguousarray(samples.inputs)
    columns = {"id": samples.ids, "label": samples.labels.tolist(), "group": samples.groups,
               "split": samples.split}  # fmt: skip
    if samples.pair_ids is not None:
        columns["pair_id"] = samples.pair_ids
    table = list(zip(*columns.values(), strict=True))
    card = {
        "name": name,
        "title": dataset.title,
        "modality": dataset.modality,
        "shape": list(inputs.shape[1:]),
        "classes": list(samples.classes),
        "counts": count(samples.labels, samples.split, len(samples.classes)),
        "groups": len(set(samples.groups)) if dataset.grouped else None,
        "instances": dataset.instances,
        "source": dataset.source,
        "licence": dataset.licence,
        "citation": dataset.citation,
        "settings": resolved,
        "normalisation": normalisation(inputs[np.asarray(samples.split) == "train"], dataset.modality),
        "sha256": digest(inputs, json.dumps(table)),
    }
    try:
        with atomic_folder(folder) as temporary:
            np.save(temporary / "inputs.npy", inputs, allow_pickle=False)
            with (temporary / "samples.csv").open("w", newline="", encoding="utf-8") as file:
                csv.writer(file, lineterminator="\n").writerows([tuple(columns), *table])
            write_json(temporary / "card.json", card)
    except OSError as error:
        raise DataError(f"{folder}: cannot store '{name}' ({error.strerror or error}); make room on the disk "
                        "or choose a folder that can be written") from None  # fmt: skip


def read_prepared(folder: str | Path) -> Prepared:
    """Open a stored dataset without copying its inputs.

    Raises
    ------
    DataError
        If a file is missing, damaged, or does not belong to its card.
    """
    folder = Path(folder)
    card = read_json(folder / "card.json")
    if not _is_card(card):
        raise _damaged(folder, "card.json", "not the card of a dataset")
    inputs = _open_inputs(folder)
    column = _read_samples(folder)
    split = column["split"]
    numbers = [int(text) for text in column["label"]]
    if len(numbers) != len(inputs) or list(inputs.shape[1:]) != card["shape"]:
        raise _damaged(folder, "card.json", "disagrees with inputs.npy and samples.csv about their size")
    if max(numbers, default=0) >= len(card["classes"]):
        raise _damaged(folder, "samples.csv", f"label {max(numbers)} is beyond the classes of card.json")
    labels = np.array(numbers, dtype=np.int64)
    if count(labels, split.tolist(), len(card["classes"])) != card["counts"]:
        raise _damaged(folder, "samples.csv", "labels and splits are not those counted in card.json")
    pair_ids = column.get("pair_id", np.full(len(labels), ""))
    return Prepared(inputs, labels, column["id"], column["group"], split, pair_ids, card)


def count(labels: NDArray[np.int64], split: Sequence[str], classes: int) -> dict[str, list[int]]:
    """Count the samples of every class in every split; labels may not be negative."""
    parts = np.asarray(split)
    return {part: np.bincount(labels[parts == part], minlength=classes).tolist() for part in SPLITS}


def digest(inputs: NDArray[np.float32], table: str) -> str:
    """Hash of the samples, byte by byte."""
    sha = hashlib.sha256(inputs.tobytes())
    sha.update(table.encode())
    return sha.hexdigest()


def normalisation(train: NDArray[np.float32], modality: str) -> dict[str, list[float]]:
    """Mean and standard deviation of the training rows: per column of a table, else one number each."""
    axis = 0 if modality == "tabular" else None
    mean = np.atleast_1d(train.mean(axis=axis, dtype=np.float64))
    std = np.atleast_1d(train.std(axis=axis, dtype=np.float64))
    return {"mean": mean.tolist(), "std": np.where(std > 0, std, 1.0).tolist()}


def _damaged(folder: Path, file: str, what: str) -> DataError:
    return DataError(f"{folder / file}: {what}; delete {folder} and run again")


def _is_card(card: Any) -> bool:
    kinds = {"name": str, "modality": str, "shape": list, "classes": list, "counts": dict,
             "normalisation": dict, "sha256": str}  # fmt: skip
    if not isinstance(card, dict) or "instances" not in card:
        return False
    if not all(isinstance(card.get(key), kind) for key, kind in kinds.items()):
        return False
    numbers = [card["normalisation"].get(key) for key in ("mean", "std")]
    return all(isinstance(value, list) and all(isinstance(x, float) for x in value) for value in numbers)


def _open_inputs(folder: Path) -> NDArray[np.float32]:
    try:
        inputs: NDArray[Any] = np.lib.format.open_memmap(folder / "inputs.npy", mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(folder, "inputs.npy", str(error)) from None
    if inputs.dtype != np.float32:
        raise _damaged(folder, "inputs.npy", f"holds {inputs.dtype} instead of float32")
    return inputs


def _read_samples(folder: Path) -> dict[str, NDArray[np.str_]]:
    try:
        with (folder / "samples.csv").open(newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file, strict=True)
    except (OSError, ValueError, csv.Error) as error:
        raise _damaged(folder, "samples.csv", str(error)) from None
    if header[:4] != ["id", "label", "group", "split"]:
        raise _damaged(folder, "samples.csv", f"columns are {', '.join(header)}")
    for line, row in enumerate(rows, start=2):
        if len(row) != len(header) or not row[1].isdecimal() or row[3] not in SPLITS:
            raise _damaged(folder, "samples.csv", f"row {line} is '{','.join(row)}'")
    return {name: np.array([row[i] for row in rows]) for i, name in enumerate(header)}
