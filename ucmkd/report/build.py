"""Write the report, one HTML file with everything in it."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ucmkd.errors import RecordError
from ucmkd.evaluation.baselines import REFERENCE
from ucmkd.evaluation.headline import accuracy_text, gain_text, headline_results
from ucmkd.evaluation.tables import Tables, read_tables
from ucmkd.figures.draw import figure_names
from ucmkd.files import write_text
from ucmkd.report import diagnoses, sections, statements
from ucmkd.report.captions import read_caption
from ucmkd.report.cards import cards
from ucmkd.report.methods import methods

FIRST = (
    "gain",
    "heatmap",
    "negative_transfer",
    "ablation",
    "compute",
    "alignment",
    "learning",
    "reliability",
    "ranks",
    "tuning",
    "bound_terms",
    "bound_regimes",
    "slack",
    "kappa",
    "cch",
    "selection",
    "closed_forms",
)
"""The order in which figures are told; others follow by name."""

ON_REQUEST = {
    "tuning": "trials",
    "bound_terms": "bound",
    "bound_regimes": "bound",
    "slack": "bound",
    "kappa": "kappa",
    "cch": "verdicts",
    "selection": "criteria",
    "closed_forms": "simulation",
}
"""Figures of a table that is empty unless the configuration asks for what it holds: then left out."""

GRIDS = ("comparisons", "baselines", "other_metrics", "across", "teachers", "trials", "costs", "environment")
"""Functions of ``ucmkd.report.sections``, each a table of the page."""

DIAGNOSES = ("bound", "verdicts", "criteria", "selection")
"""Functions of ``ucmkd.report.diagnoses``, tables that are left out where they are empty."""

_PIXELS_PER_POINT = 2.0
_PAGE_PIXELS = 1040

MACHINE_KEYS = ("data", "device", "tracking")
"""Parts of the configuration that say where things are, not what is measured; the page leaves them out."""


def build_report(
    summary_folder: str | Path,
    figures_folder: str | Path,
    captions_folder: str | Path,
    config_dict: Mapping[str, Any],
    output: str | Path,
    *,
    data_folders: Sequence[str | Path],
    data_pictures: Sequence[str | Path],
) -> None:
    """Write the page.

    Parameters
    ----------
    summary_folder : path
        Tables, see ``ucmkd.evaluation.TABLES``.
    figures_folder : path
        Every figure as SVG.
    captions_folder : path
        A caption for each figure, ``<figure>.rst``, and ``workflow.rst``.
    config_dict : mapping
        The configuration of the benchmark. What only concerns the machine is neither shown nor part of the
        digest, so that equal digests mean equal questions.
    output : path
    data_folders : sequence of paths
        Of the stored datasets in use.
    data_pictures : sequence of paths
        What :func:`ucmkd.data_cards.draw.draw_card` drew of each, ``<dataset>.png``.

    Raises
    ------
    RecordError
        If a table, a figure, a caption or a picture is missing.
    DataError
        If a dataset is missing or damaged.
    """
    tables = read_tables(summary_folder)
    config = {key: value for key, value in config_dict.items() if key not in MACHINE_KEYS}
    page = _template().render(
        introduction=read_caption(captions_folder, "workflow"),
        facts=statements.facts(tables, digest(config)),
        findings=statements.findings(tables),
        headline=headline_results(tables),
        reference=REFERENCE,
        figures=_figures(_shown(tables), Path(figures_folder), Path(captions_folder)),
        accuracy_text=accuracy_text,
        gain_text=gain_text,
        digest=digest(config),
        ranks=statements.ranks(tables),
        grids={name: getattr(sections, name)(tables) for name in GRIDS} | {"methods": methods(tables)},
        diagnoses={name: getattr(diagnoses, name)(tables) for name in DIAGNOSES},
        cards=cards(data_folders, data_pictures, _pairs(tables, config)),
        config=yaml.safe_dump(config, sort_keys=False, allow_unicode=True),
    )
    write_text(output, page)


def digest(config: Mapping[str, Any]) -> str:
    """Give a name to a configuration that changes with any of its values."""
    text = json.dumps(config, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _pairs(tables: Tables, config: Mapping[str, Any]) -> dict[str, Any]:
    """Give the definitions of the pairs that ran."""
    return {pair: config["pairs"][pair] for pair in dict.fromkeys(tables["costs"].pair)}


def _shown(tables: Tables) -> list[str]:
    return [name for name in figure_names() if name not in ON_REQUEST or not tables[ON_REQUEST[name]].empty]


def _figures(names: Sequence[str], folder: Path, captions_folder: Path) -> list[dict[str, Any]]:
    ordered = [name for name in FIRST if name in names] + [name for name in names if name not in FIRST]
    return [_figure(folder / f"{name}.svg", read_caption(captions_folder, name)) for name in ordered]


def _figure(path: Path, caption: list[str]) -> dict[str, Any]:
    if not path.exists():
        raise RecordError(f"{path}: no such figure; run the rule that draws the figures")
    image = path.read_bytes()
    return {
        "name": path.stem,
        "title": path.stem.replace("_", " ").capitalize(),
        "image": "data:image/svg+xml;base64," + base64.b64encode(image).decode(),
        "width": _width(image),
        "caption": caption,
    }


def _width(image: bytes) -> int:
    """Read the width of an SVG in points, and give it in pixels of the page."""
    match = re.search(rb'width="([\d.]+)pt"', image)
    return round(float(match[1]) * _PIXELS_PER_POINT) if match else _PAGE_PIXELS


def _template() -> Any:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2")
