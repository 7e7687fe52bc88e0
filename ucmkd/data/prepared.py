"""A dataset on disk: ``inputs.npy``, ``samples.csv`` and ``card.json``."""

import csv
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ucmkd.data.base import SPLITS, TYPES, Dataset, chunks, count, validate
from ucmkd.errors import DataError
from ucmkd.files import atomic_folder, read_json, write_json


@dataclass(frozen=True)
class Prepared:
    """A dataset on disk, inputs memory-mapped.

    Attributes
    ----------
    inputs : array, shape (n, ...)
        Read-only memory map, not normalised; for its type see ``TYPES``.
    labels : array, shape (n,)
    ids, groups, split, pair_ids : arrays of n strings
        ``pair_ids`` holds empty strings where the dataset has none.
    texts : array of n strings, or None
    card : dict
        See :func:`write_prepared`.
    """

    inputs: NDArray[Any]
    labels: NDArray[np.int64]
    ids: NDArray[np.str_]
    groups: NDArray[np.str_]
    split: NDArray[np.str_]
    pair_ids: NDArray[np.str_]
    card: dict[str, Any]
    texts: list[str] | None = None

    def rows(self, split: str) -> NDArray[np.int64]:
        """Row numbers of one split."""
        return np.flatnonzero(self.split == split)


def write_prepared(folder: str | Path, name: str, dataset: Dataset[Any], resolved: Mapping[str, Any]) -> None:
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
    validate(samples, modality=dataset.modality, grouped=dataset.grouped, place=name)
    if dataset.instances and samples.pair_ids is None:
        raise DataError(f"{name}: instances '{dataset.instances}' without pair_ids; give one a sample")
    inputs = np.ascontiguousarray(samples.inputs)
    columns = {"id": samples.ids, "label": samples.labels.tolist(), "group": samples.groups,
               "split": samples.split}  # fmt: skip
    if samples.pair_ids is not None:
        columns["pair_id"] = samples.pair_ids
    if samples.texts is not None:
        columns["text"] = samples.texts
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
        "quirks": list(dataset.quirks),
        "skipped": dict(samples.skipped),
        "settings": dict(resolved),
        "normalisation": normalisation(inputs, np.asarray(samples.split) == "train", dataset.modality),
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
    inputs = _open_inputs(folder, card["modality"])
    column, texts = _read_samples(folder)
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
    return Prepared(inputs, labels, column["id"], column["group"], split, pair_ids, card, texts)


def digest(inputs: NDArray[Any], table: str) -> str:
    """Hash of the samples, byte by byte."""
    sha = hashlib.sha256()
    for _, part in chunks(inputs):
        sha.update(np.ascontiguousarray(part).data)
    sha.update(table.encode())
    return sha.hexdigest()


def normalisation(inputs: NDArray[Any], train: NDArray[np.bool_], modality: str) -> dict[str, list[float]]:
    """Mean and standard deviation of the training rows: per column of a table, else one number each.

    Texts are numbers of words, which are not standardised: 0 and 1.
    """
    if modality == "text":
        return {"mean": [0.0], "std": [1.0]}
    axis = 0 if modality == "tabular" else None
    values = train.sum() * (1 if modality == "tabular" else np.prod(inputs.shape[1:]))
    parts = list(chunks(inputs))
    mean = sum(_rows(part, start, train).sum(axis=axis) for start, part in parts) / values
    square = sum(((_rows(part, start, train) - mean) ** 2).sum(axis=axis) for start, part in parts)
    std = np.sqrt(np.atleast_1d(square / values))
    return {"mean": np.atleast_1d(mean).tolist(), "std": np.where(std > 0, std, 1.0).tolist()}


def _damaged(folder: Path, file: str, what: str) -> DataError:
    return DataError(f"{folder / file}: {what}; delete {folder} and run again")


def _is_card(card: Any) -> bool:
    kinds = {"name": str, "modality": str, "shape": list, "classes": list, "counts": dict,
             "normalisation": dict, "sha256": str}  # fmt: skip
    if not isinstance(card, dict) or "instances" not in card:
        return False
    if (
        not all(isinstance(card.get(key), kind) for key, kind in kinds.items())
        or card["modality"] not in TYPES
    ):
        return False
    numbers = [card["normalisation"].get(key) for key in ("mean", "std")]
    return all(isinstance(value, list) and all(isinstance(x, float) for x in value) for value in numbers)


def _open_inputs(folder: Path, modality: str) -> NDArray[Any]:
    try:
        inputs: NDArray[Any] = np.lib.format.open_memmap(folder / "inputs.npy", mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(folder, "inputs.npy", str(error)) from None
    if inputs.dtype.name not in TYPES[modality]:
        raise _damaged(
            folder, "inputs.npy", f"holds {inputs.dtype} instead of {' or '.join(TYPES[modality])}"
        )
    return inputs


def _read_samples(folder: Path) -> tuple[dict[str, NDArray[np.str_]], list[str] | None]:
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
    columns = {name: [row[i] for row in rows] for i, name in enumerate(header)}
    texts = columns.pop("text", None)
    return {name: np.array(values) for name, values in columns.items()}, texts


def _rows(part: NDArray[Any], start: int, train: NDArray[np.bool_]) -> NDArray[np.float64]:
    return part[train[start : start + len(part)]].astype(np.float64)
