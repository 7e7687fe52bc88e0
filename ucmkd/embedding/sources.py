"""What is embedded: labelled images or texts of a user, read as the benchmark reads them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ucmkd.data.base import Samples, Workspace, load_dataset, validate
from ucmkd.data.own.table import read_table
from ucmkd.errors import ConfigError
from ucmkd.new.source import Source, recognise

OPTION = "SOURCE"
TABLES = (".csv", ".tsv")


@dataclass(frozen=True)
class Read:
    """Samples, and what is known of them.

    Attributes
    ----------
    samples : Samples
    stamp : str
        Changes with the files that were read.
    settings : dict
        Of the dataset, with its kind.
    quirks : tuple of str
        What a user should know of them, a sentence each.
    columns : dict of sequences of str
        Of the table of labels, by the names of its columns.
    """

    samples: Samples
    stamp: str
    settings: dict[str, Any]
    quirks: tuple[str, ...]
    columns: dict[str, list[str]]


def read_images(text: str, config: Mapping[str, Any], side: int, workspace: Workspace) -> Read:
    """Read images of bytes; those of a folder are cut to squares of this side, in colours.

    Raises
    ------
    ConfigError
        If the source is not there or holds no such images.
    DataError
        If the samples are refused.
    """
    source = recognise(text, "embedded", config, OPTION)
    if source.kind == "image_folder":
        source = source.changed(size=side, channels=3)
    found = _read(source, workspace, has_split=True)
    inputs = found.samples.inputs
    if inputs.dtype.name != "uint8" or inputs.ndim != 4 or inputs.shape[1] not in (1, 3):
        raise ConfigError(
            f"{OPTION}: '{text}' holds {inputs.dtype} {inputs.shape[1:]}, and image encoders take bytes "
            "(channels, height, width) in grey levels or colours; give a folder of images"
        )
    return found


def read_texts(text: str, column: str | None, config: Mapping[str, Any], workspace: Workspace) -> Read:
    """Read texts; a table's columns split, group, id and pair count as what they are called.

    Raises
    ------
    ConfigError
        If the source is not there or holds no texts.
    DataError
        If the samples are refused.
    """
    is_table = Path(text).suffix.lower() in TABLES and not text.startswith("text_csv:")
    source = recognise(f"text_csv:{text}" if is_table else text, "embedded", config, OPTION)
    has_split = True
    if source.kind == "text_csv" and source.written:
        source = source if column is None else source.changed(text=column)
        path, delimiter = Path(source.values["file"]), source.values.get("delimiter", ",")
        if "pair" in read_table(path, delimiter).columns:
            source = source.changed(pair="pair", instances="embedded")
            has_split = "split" in source.values  # one that is drawn depends on the name of the instances
    elif column is not None:
        raise ConfigError(f"--column: names a column of a table, and '{text}' is none; leave it out")
    found = _read(source, workspace, has_split=has_split)
    if found.samples.texts is None:
        raise ConfigError(f"{OPTION}: '{text}' holds no texts; give a table with a column of texts")
    return found


def _read(source: Source, workspace: Workspace, *, has_split: bool) -> Read:
    dataset = load_dataset(source.kind, source.values, place=OPTION, workspace=workspace)
    samples = dataset.load()
    validate(samples, modality=dataset.modality, grouped=dataset.grouped, place=OPTION)
    columns = {"id": list(samples.ids), "label": [samples.classes[label] for label in samples.labels]}
    if has_split:
        columns["split"] = list(samples.split)
    if dataset.grouped:
        columns["group"] = list(samples.groups)
    if samples.pair_ids is not None:
        columns["pair"] = list(samples.pair_ids)
    settings = {"kind": source.kind} | source.values
    return Read(samples, dataset.stamp(), settings, dataset.quirks, columns)
