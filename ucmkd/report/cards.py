"""The data cards of the report: what each dataset in use is, and a look at it."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from ucmkd.data.base import SPLITS
from ucmkd.data.prepared import Prepared, read_prepared
from ucmkd.data_cards.samples import CLASSES, PER_CLASS, shown_rows
from ucmkd.data_cards.shorten import cut
from ucmkd.errors import RecordError
from ucmkd.report.grid import Column, Field, Grid, name, number

ROWS = 50
"""Classes whose counts are listed; of more, the least, the median and the most are told."""

OPEN_ROWS = 12
SKIPPED = 20
TEXT, SHORT = 240, 80
"""Most characters of a text, and of a name."""

_NAMED = 3
_DENSITY = 1.5
"""Pixels of a picture for one of the page."""

LOOKS = {
    "image": "Grey levels and colours have one scale for all samples.",
    "audio": "Time runs to the right and pitch upwards; colours have one scale for all samples.",
    "tabular": "A row is a sample, standardised with mean and standard deviation of the training rows: blue "
    "is more than the mean, orange less.",
    "sequence": "Time runs to the right, a line is a channel, and all samples have one scale.",
}
"""How to read the picture of a modality; texts have none."""

NO_TEXTS = "No raw texts are kept of this dataset, and numbers of words would say nothing."


@dataclass(frozen=True)
class Picture:
    """A picture as an address that holds it, its width in pixels of the page, and how to read it."""

    image: str
    width: int
    alt: str
    caption: str


@dataclass(frozen=True)
class Card:
    """What the page says of a dataset.

    Attributes
    ----------
    name, title, modality : str
    facts, settings : lists of (str, str)
    picture : Picture or None
    texts : list of (str, str)
        Class and text of some training samples.
    note : str
        Why there is neither picture nor text.
    counts : Grid
    counts_open : bool
        Whether the table is short enough to be seen at once.
    quirks : list of str
    skipped : list of (str, str)
        The first of what was left out, with the reason.
    skipped_count : int
    """

    name: str
    title: str
    modality: str
    facts: list[tuple[str, str]]
    settings: list[tuple[str, str]]
    picture: Picture | None
    texts: list[tuple[str, str]]
    note: str
    counts: Grid
    counts_open: bool
    quirks: list[str]
    skipped: list[tuple[str, str]]
    skipped_count: int


def cards(
    folders: Sequence[str | Path], pictures: Sequence[str | Path], pairs: Mapping[str, Mapping[str, Any]]
) -> list[Card]:
    """Read the cards of stored datasets.

    Parameters
    ----------
    folders : sequence of paths
        Of the datasets, in the order of the page.
    pictures : sequence of paths
        PNG files, each named after its dataset.
    pairs : mapping
        By name, who is ``teacher`` and who is ``student``.

    Raises
    ------
    DataError
        If a dataset is missing or damaged.
    RecordError
        If a picture is missing.
    """
    by_name = {Path(picture).stem: Path(picture) for picture in pictures}
    read = [read_prepared(folder) for folder in folders]
    known = [prepared.card for prepared in read]
    return [_card(prepared, known, pairs, by_name) for prepared in read]


def _card(
    prepared: Prepared,
    known: Sequence[Mapping[str, Any]],
    pairs: Mapping[str, Mapping[str, Any]],
    pictures: Mapping[str, Path],
) -> Card:
    card = prepared.card
    texts = _texts(prepared)
    drawn = card["modality"] in LOOKS
    settings = {key: value for key, value in card["settings"].items() if key != "kind"}
    return Card(
        name=card["name"],
        title=cut(card["title"], TEXT),
        modality=card["modality"],
        facts=_facts(prepared, known, pairs),
        settings=[(key, cut(_plain(value), TEXT)) for key, value in settings.items()],
        picture=_picture(card, pictures) if drawn else None,
        texts=texts,
        note="" if drawn or texts else NO_TEXTS,
        counts=_counts(card),
        counts_open=len(card["classes"]) <= OPEN_ROWS,
        quirks=card["quirks"],
        skipped=[(cut(what, SHORT), cut(why, TEXT)) for what, why in list(card["skipped"].items())[:SKIPPED]],
        skipped_count=len(card["skipped"]),
    )


def _facts(
    prepared: Prepared, known: Sequence[Mapping[str, Any]], pairs: Mapping[str, Mapping[str, Any]]
) -> list[tuple[str, str]]:
    card = prepared.card
    uses = [f"{pair} ({role})" for pair, roles in pairs.items()
            for role in ("teacher", "student") if roles.get(role) == card["name"]]  # fmt: skip
    train, val, test = (f"{sum(card['counts'][part]):,}" for part in SPLITS)
    facts = [
        ("Kind", str(card["settings"].get("kind", card["name"]))),
        ("Shape", shape_text(card["modality"], card["shape"])),
        ("Samples", f"{train} training, {val} validation, {test} test"),
        ("Classes", str(len(card["classes"]))),
        ("Groups", _groups(prepared)),
        ("Same instances", _same_instances(card, known)),
        ("Used by", ", ".join(uses)),
        ("Source", card["source"]),
        ("Licence", card["licence"]),
        ("Citation", card["citation"]),
        ("Normalised by", normalisation_text(card["modality"], card["normalisation"])),
        ("SHA-256", card["sha256"]),
    ]
    return [(title, text) for title, text in facts if text]


def shape_text(modality: str, shape: Sequence[int]) -> str:
    """Say what one sample is."""
    if modality == "image":
        *frames, channels, height, width = shape
        colours = {1: "grey", 3: "colour"}.get(channels, f"{channels} channels")
        several = f", {frames[0]} frames" if frames else ""
        return f"{height} × {width} pixels, {colours}{several}"
    if modality == "audio":
        return f"{shape[1]} bands × {shape[2]} frames"
    if modality == "text":
        return f"up to {shape[0]} words"
    if modality == "tabular":
        return f"{shape[0]} column{'s' if shape[0] > 1 else ''}"
    return f"{shape[0]} channel{'s' if shape[0] > 1 else ''} × {shape[1]} steps"


def normalisation_text(modality: str, scale: Mapping[str, Sequence[float]]) -> str:
    """Say what inputs are standardised with."""
    if modality == "text":
        return "nothing: texts are numbers of words"
    mean, std = (_span(scale[key]) for key in ("mean", "std"))
    each = " of each column" if len(scale["mean"]) > 1 else ""
    return f"mean{each} {mean}, standard deviation {std}, of training rows"


def _span(values: Sequence[float]) -> str:
    least, most = (f"{value:.4g}".replace("-", "−") for value in (min(values), max(values)))
    return least if least == most else f"{least} to {most}"


def _groups(prepared: Prepared) -> str:
    count = prepared.card["groups"]
    if count is None:
        return "not known"
    some = ", ".join(cut(group, 30) for group in sorted(set(prepared.groups.tolist()))[:_NAMED])
    return f"{count:,}, none of them in two splits; such as {some}"


def _same_instances(card: Mapping[str, Any], known: Sequence[Mapping[str, Any]]) -> str:
    if card["instances"] is None:
        return ""
    others = [other["name"] for other in known
              if other["instances"] == card["instances"] and other["name"] != card["name"]]  # fmt: skip
    return f"shown by {', '.join(others)} too" if others else ""


def _plain(value: Any) -> str:
    """Write the value of a setting as in a configuration, lists without brackets."""
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _counts(card: Mapping[str, Any]) -> Grid:
    """List how many samples each class has, or how few and how many classes have where there are many."""
    counts, classes = card["counts"], card["classes"]
    grid = Grid([Column("Class"), *(Column(part.capitalize()) for part in SPLITS)])
    if len(classes) <= ROWS:
        for index, label in enumerate(classes):
            fields = [number(counts[part][index], 0) for part in SPLITS]
            grid.rows.append([Field(cut(label, SHORT), index, "name"), *fields])
        return grid
    for title, summary in (("Fewest", min), ("Median", median), ("Most", max)):
        fields = [number(summary(counts[part]), 0) for part in SPLITS]
        grid.rows.append([name(f"{title} of {len(classes)} classes"), *fields])
    return grid


def _picture(card: Mapping[str, Any], pictures: Mapping[str, Path]) -> Picture:
    path = pictures.get(card["name"])
    if path is None or not path.exists():
        raise RecordError(f"{path or card['name']}: no such picture; run the rule that draws data cards")
    image = path.read_bytes()
    return Picture(
        image="data:image/png;base64," + base64.b64encode(image).decode(),
        width=round(int.from_bytes(image[16:20], "big") / _DENSITY),
        alt=f"Training samples of {card['name']}, a row for each class",
        caption=f"Training samples, {_which(card)}, {PER_CLASS} of each by lot. {_look(card)}",
    )


def _look(card: Mapping[str, Any]) -> str:
    several = card["modality"] == "image" and card["shape"][0] > 3
    return ("The first frame is shown. " if several else "") + LOOKS[card["modality"]]


def _which(card: Mapping[str, Any]) -> str:
    count = len(card["classes"])
    return (
        "of all classes" if count <= CLASSES else f"of {CLASSES} of {count} classes, evenly over their order"
    )


def _texts(prepared: Prepared) -> list[tuple[str, str]]:
    if prepared.texts is None or prepared.card["modality"] in LOOKS:
        return []
    classes = prepared.card["classes"]
    per_class = min(PER_CLASS, max(1, CLASSES // len(classes)))
    return [
        (cut(classes[label], SHORT), cut(prepared.texts[row], TEXT))
        for label, rows in shown_rows(prepared, per_class).items()
        for row in rows
    ]
