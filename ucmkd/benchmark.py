"""A configuration that has been understood: everything the workflow needs to know of it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ucmkd import config as configuration
from ucmkd import discovery
from ucmkd.blocks import blocks
from ucmkd.cells import CONTROLS, DEFAULT, Cell, Pair, expand, known_settings, method_settings
from ucmkd.config import ROOT, known
from ucmkd.data.base import Dataset, load_dataset
from ucmkd.errors import ConfigError
from ucmkd.methods.base import method_names
from ucmkd.settings import build, plain
from ucmkd.training.recipe import Recipe

RULES = ROOT / "workflow" / "rules" / "pairs"


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """What runs.

    Attributes
    ----------
    datasets : dict
        Resolved settings of every dataset in use.
    pairs : dict
        Pairs that some cell uses.
    cells : dict
        By key, each once, in the order of the configuration.
    width, project
        See ``embedding`` in the configuration.
    """

    seeds: int
    device: str
    width: int
    project: str
    tracking_uri: str | None
    datasets: dict[str, dict[str, Any]]
    pairs: dict[str, Pair]
    cells: dict[str, Cell]

    @classmethod
    def parse(cls, config: Mapping[str, Any]) -> "Benchmark":
        """Check a configuration and resolve it.

        Raises
        ------
        ConfigError
            If it names what does not exist, or asks for what cannot be.
        """
        valid = configuration.validate(config)
        _check_names(valid)
        pairs = {name: _pair(name, valid) for name in valid["pairs"]}
        cells: dict[str, Cell] = {}
        for index, grid in enumerate(valid["cells"]):
            cells.update((cell.key, cell) for cell in expand(grid, f"cells[{index}]", pairs, valid))
        used = {cell.pair: pairs[cell.pair] for cell in cells.values()}
        for name in used:
            _check_rule(name)
        names = dict.fromkeys(name for pair in used.values() for name in (pair.teacher, pair.student))
        return cls(
            seeds=valid["seeds"],
            device=valid["device"],
            width=valid["embedding"]["width"],
            project=valid["embedding"]["project"],
            tracking_uri=valid["tracking"]["uri"],
            datasets={name: plain(_dataset(name, valid).settings) for name in names},
            pairs=used,
            cells=cells,
        )

    def cell(self, pair: str, regime: str, method: str, variant: str) -> Cell:
        """Find a cell.

        Raises
        ------
        ConfigError
            If the configuration does not ask for it.
        """
        key = f"{pair}/{regime}/{method}/{variant}"
        if key not in self.cells:
            raise ConfigError(f"results/runs/{key}: no such cell in this configuration; add it under cells")
        return self.cells[key]

    @property
    def teachers(self) -> list[str]:
        """Every ``pair/pool`` that a teacher is trained for."""
        return list(dict.fromkeys(f"{cell.pair}/{cell.pool}" for cell in self.cells.values()))

    def counts(self) -> dict[str, Any]:
        """Count cells, runs and training jobs, in all and for every pair and regime."""
        n_blocks = len(blocks(self.seeds))
        cells = Counter((cell.pair, cell.regime) for cell in self.cells.values())
        return {
            "regimes": [
                {"pair": pair, "regime": regime, "cells": n, "runs": n * self.seeds, "jobs": n * n_blocks}
                for (pair, regime), n in sorted(
                    cells.items(), key=lambda item: list(self.pairs).index(item[0][0])
                )
            ],
            "cells": len(self.cells),
            "runs": len(self.cells) * self.seeds,
            "teachers": len(self.teachers) * self.seeds,
            "jobs": (len(self.cells) + len(self.teachers)) * n_blocks,
        }


def _check_names(config: Mapping[str, Any]) -> None:
    """Refuse names under datasets, models, pairs, settings and variants for which there is no file."""
    datasets, models = discovery.names("ucmkd.data.datasets"), discovery.names("ucmkd.models")
    methods = method_names()
    for name in config["datasets"]:
        known("datasets", "dataset", name, datasets)
    for modality, name in config["models"].items():
        known(f"models.{modality}", "model", name, models)
    for pair, definition in config["pairs"].items():
        for role in ("teacher", "student"):
            known(f"pairs.{pair}.{role}", "dataset", definition[role], datasets)
    for section in ("settings", "variants"):
        for name in config[section]:
            known(section, "method", name, methods)
    for method, values in config["settings"].items():
        method_settings(method, values, f"settings.{method}")
    for method, variants in config["variants"].items():
        for variant, values in variants.items():
            if variant in (DEFAULT, *CONTROLS):
                raise ConfigError(
                    f"variants.{method}.{variant}: every method has this one; take another name"
                )
            base = config["settings"].get(method, {})
            method_settings(method, {**base, **values}, f"variants.{method}.{variant}")


def _check_rule(pair: str) -> None:
    if not (RULES / f"{pair}.smk").is_file():
        raise ConfigError(
            f"pairs.{pair}: no rule makes this pair; write workflow/rules/pairs/{pair}.smk for it"
        )


def _pair(name: str, config: Mapping[str, Any]) -> Pair:
    place, definition = f"pairs.{name}", config["pairs"][name]
    if definition["labels_per_class"] is not None and definition["student_share"] is not None:
        raise ConfigError(f"{place}: labels_per_class and student_share exclude each other; keep one")
    datasets = {role: _dataset(definition[role], config) for role in ("teacher", "student")}
    encoders, recipes = {}, {}
    for role, dataset in datasets.items():
        if dataset.modality not in config["models"]:
            raise ConfigError(
                f"models.{dataset.modality}: is missing, and {place}.{role} needs it; known models: "
                f"{', '.join(discovery.names('ucmkd.models'))}"
            )
        encoders[role] = config["models"][dataset.modality]
        values = {**config["training"][role], **definition["training"].get(role, {})}
        recipes[role] = plain(build(Recipe, values, f"{place}.training.{role}"))
    instances = {dataset.instances for dataset in datasets.values()}
    return Pair(
        name=name,
        teacher=definition["teacher"],
        student=definition["student"],
        labels_per_class=definition["labels_per_class"],
        student_share=definition["student_share"],
        paired=len(instances) == 1 and None not in instances,
        encoders=encoders,
        recipes=recipes,
    )


def _dataset(name: str, config: Mapping[str, Any]) -> Dataset[Any]:
    values = config["datasets"].get(name, {})
    known_settings(
        discovery.load("ucmkd.data.datasets", name, "Dataset").Settings, values, f"datasets.{name}"
    )
    return load_dataset(name, values)
