"""A pair of any two datasets: checked, then written as a rule and a configuration."""

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from ucmkd import specs
from ucmkd.benchmark import Benchmark
from ucmkd.config import load
from ucmkd.data.base import Workspace
from ucmkd.data.pairing import pair_up
from ucmkd.errors import ConfigError
from ucmkd.files import write_text
from ucmkd.new.agreement import agree, rename
from ucmkd.new.inspection import describe, prepare
from ucmkd.new.source import Source, recognise

MODELS = {
    "image": "convnet",
    "audio": "convnet",
    "text": "text_ngrams",
    "sequence": "sequence_convnet",
    "tabular": "mlp",
}
"""The encoder of a modality for which ``config/config.yaml`` has none."""

SHARE_OF_A_PAIRED_STUDENT = 0.5
"""Where data are paired, the other half is left for a teacher that has seen no instance of the student's."""

RULE = """\
# {what}
use rule pair_up as pair_up_{name} with:
    wildcard_constraints:
        pair="{name}",
"""


def new_pair(
    name: str,
    sources: Mapping[str, str],
    *,
    labels: Mapping[str, Mapping[str, str]],
    accept_labels: bool,
    labels_per_class: int | None,
    root: Path,
    workers: int,
    say: Callable[[str], None],
) -> None:
    """Check two datasets and write the pair they make.

    Parameters
    ----------
    name : str
        Of the pair.
    sources : Mapping
        For ``teacher`` and ``student`` a dataset, a path, or KIND:PATH.
    labels : Mapping
        For ``teacher`` and ``student`` the classes to rename.
    accept_labels : bool
        Whether classes that differ are renamed as proposed.
    labels_per_class : int, optional
        How many training samples of each class the student has.
    root : Path
        The project's folder, which the files are written to.
    workers : int
        How many processes read files.
    say : callable
        Is told what was found, text by text.

    Raises
    ------
    ConfigError
        If a name is taken, a source is not found, or the classes differ.
    DataError
        If the data are refused. Nothing is written then, as for a ConfigError.
    """
    config = load()
    files = {"rule": root / f"workflow/rules/pairs/{name}.smk", "config": root / f"config/{name}.yaml"}
    _refuse_taken(name, config, files)
    meant = {
        role: rename(recognise(text, f"{name}_{role}", config, f"--{role}"), labels[role], f"--labels-{role}")
        for role, text in sources.items()
    }
    with tempfile.TemporaryDirectory(prefix="ucmkd-") as scratch:
        workspace = Workspace(
            downloads=root / "results/downloads", scratch=Path(scratch) / "scratch", workers=workers
        )
        cards = {}
        for role, source in meant.items():
            cards[role] = prepare(source, Path(scratch) / role, workspace)
            say(f"{role}: {describe(cards[role])}\n")
        while changed := agree(meant, cards, accept=accept_labels):  # first the names, then their order
            for role, source in changed.items():
                meant[role] = source
                cards[role] = prepare(source, Path(scratch) / role, workspace)
                say(f"{role}, its classes made those of the other side: {describe(cards[role])}\n")
        with _removed_on_failure(*files.values()):
            what = _what(cards)
            write_text(files["rule"], RULE.format(name=name, what=what))
            text = _configuration(name, what, meant, cards, config, labels_per_class)
            write_text(files["config"], text)
            _try_out(Benchmark.parse(load([files["config"]])), name, Path(scratch))
    inside = {key: path.relative_to(root) for key, path in files.items()}
    say(f"Written: {inside['rule']} and {inside['config']}. Next:\n")
    say(f"python -m ucmkd check {inside['config']}")
    say(f"snakemake --cores all --configfile {inside['config']}")


def _refuse_taken(name: str, config: Mapping[str, Any], files: Mapping[str, Path]) -> None:
    if not re.fullmatch("[a-z][a-z0-9_]*", name):
        raise ConfigError(
            f"new pair: '{name}' cannot be a name; take lower-case letters, digits and underscores, and "
            "start with a letter"
        )
    if name in config["pairs"]:
        raise ConfigError(f"new pair: config/config.yaml defines a pair '{name}'; take another name")
    for role in ("teacher", "student"):
        if f"{name}_{role}" in config.get("datasets", {}):
            raise ConfigError(
                f"new pair: config/config.yaml defines a dataset '{name}_{role}'; take another name for the "
                "pair"
            )
    for path in files.values():
        if path.exists():
            raise ConfigError(f"{path}: is there already; delete it or take another name for the pair")


@contextmanager
def _removed_on_failure(*paths: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        for path in paths:
            path.unlink(missing_ok=True)
        raise


def _what(cards: Mapping[str, Mapping[str, Any]]) -> str:
    teacher, student = cards["teacher"], cards["student"]
    paired = "paired" if _paired(cards) else "unpaired"
    return (
        f"{teacher['name']} ({teacher['modality']}) teaches {student['name']} ({student['modality']}): "
        f"{paired} by nature."
    )


def _paired(cards: Mapping[str, Mapping[str, Any]]) -> bool:
    instances = [card["instances"] for card in cards.values()]
    return instances[0] is not None and instances[0] == instances[1]


def _configuration(
    name: str,
    what: str,
    sources: Mapping[str, Source],
    cards: Mapping[str, Mapping[str, Any]],
    config: Mapping[str, Any],
    labels_per_class: int | None,
) -> str:
    datasets = {source.name: source.written for source in sources.values() if source.written}
    modalities = sorted({card["modality"] for card in cards.values()} - set(config["models"]))
    pair: dict[str, Any] = {role: source.name for role, source in sources.items()}
    if labels_per_class is not None:
        pair["labels_per_class"] = labels_per_class
    elif _paired(cards):
        pair["student_share"] = SHARE_OF_A_PAIRED_STUDENT
    content = {
        "seeds": 10,
        "datasets": datasets,
        "models": {modality: MODELS[modality] for modality in modalities},
        "pairs": {name: pair},
        "cells": _cells(name, config, paired=_paired(cards)),
    }
    text = yaml.safe_dump(
        {key: value for key, value in content.items() if value},
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=None,
        width=100,
    )
    usage = f"snakemake --cores all --configfile config/{name}.yaml"
    spaced = re.sub(r"^(?=[a-z])", "\n", text, flags=re.MULTILINE)
    return f"# {what}\n# Laid over config.yaml: {usage}\n{spaced}"


def _cells(name: str, config: Mapping[str, Any], *, paired: bool) -> list[dict[str, Any]]:
    """Run what ``config/config.yaml`` runs in its first grids without, with unpaired and with paired data."""
    grids: list[Mapping[str, Any]] = [grid for grid in config["cells"] if "variants" not in grid]
    cells = []
    for regimes in ([], ["class_cond", "disjoint_teacher"], *([["paired"]] if paired else [])):
        first = next((grid for grid in grids if grid.get("regimes", []) == regimes), None)
        if first is not None:
            told = {"regimes": regimes} if regimes else {}
            cells.append({"pairs": [name], **told, "methods": list(first["methods"])})
    return cells


def _try_out(benchmark: Benchmark, name: str, scratch: Path) -> None:
    """Pair the datasets up in every regime that is needed, as the workflow will."""
    for regime in dict.fromkeys(cell.regime for cell in benchmark.cells.values()):
        pair_up(
            **specs.pair_up(benchmark, name, regime)
            | {
                "teacher": str(scratch / "teacher"),
                "student": str(scratch / "student"),
                "folder": str(scratch / "pairs" / regime),
            }
        )
