"""Load a dataset as the workflow will, and say what was found."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ucmkd.data.base import SPLITS, Workspace, load_dataset
from ucmkd.data.prepared import write_prepared
from ucmkd.data.upstream import fetch, mirror_folder
from ucmkd.files import read_json
from ucmkd.new.source import Source
from ucmkd.showing import table

SKIPS_SHOWN = 10


def prepare(source: Source, folder: Path, workspace: Workspace) -> dict[str, Any]:
    """Load, check and store a dataset; fetch it before if need be.

    Returns
    -------
    dict
        Its card, see :func:`ucmkd.data.prepared.write_prepared`.

    Raises
    ------
    ConfigError
        If its files are not there.
    DataError
        If they are refused.
    """
    dataset = load_dataset(source.kind, source.values, place=f"datasets.{source.name}", workspace=workspace)
    dataset.stamp()
    if dataset.upstream is not None and not dataset.raw.exists():
        fetch(dataset.upstream, dataset.raw, mirror_folder())
    write_prepared(folder, source.name, dataset, source.values)
    card: dict[str, Any] = read_json(folder / "card.json")
    return card


def describe(card: Mapping[str, Any]) -> str:
    """Lay out what a card says: counts per class and split, remarks, and what was skipped."""
    counts = card["counts"]
    rows: list[dict[str, Any]] = [
        {"class": name} | {split: counts[split][label] for split in SPLITS}
        for label, name in enumerate(card["classes"])
    ]
    rows.append({"class": "all"} | {split: sum(counts[split]) for split in SPLITS})
    groups = f"{card['groups']} groups" if card["groups"] is not None else "no groups"
    shape = " x ".join(map(str, card["shape"]))
    lines = [f"{card['name']}: {card['modality']} ({shape}), {groups}, {card['source']}", table(rows)]
    lines += [f"- {remark}" for remark in card["quirks"]]
    skipped = card["skipped"]
    if skipped:
        lines.append(f"- {len(skipped)} skipped:")
        lines += [f"    {name}: {skipped[name]}" for name in list(skipped)[:SKIPS_SHOWN]]
        lines += ["    ..."] if len(skipped) > SKIPS_SHOWN else []
    return "\n".join(lines)
