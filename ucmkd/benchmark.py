"""A configuration that has been understood: everything the workflow needs to know of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ucmkd import config as configuration
from ucmkd import discovery
from ucmkd.blocks import blocks
from ucmkd.cells import CONTROLS, DEFAULT, Cell, Model, Pair, expand, known_settings, method_settings
from ucmkd.config import ROOT, known, no_such
from ucmkd.data.base import Dataset, dataset_class, load_dataset
from ucmkd.data.regimes import ALONE, find_regime
from ucmkd.data.shifts import Shift, find_shift
from ucmkd.data.tokens import refuse_other_tokens
from ucmkd.errors import ConfigError
from ucmkd.methods.base import method_names
from ucmkd.settings import build, plain
from ucmkd.training.network import encoder_settings
from ucmkd.training.recipe import Recipe

ROLES = ("teacher", "student")
PILOTED = "paired"
"""The regime in which pilots are trained: what complementarity speaks of."""

RULES = ROOT / "workflow" / "rules" / "pairs"


@dataclass(frozen=True)
class Source:
    """Where a dataset comes from.

    Attributes
    ----------
    kind : str
        A file in ``ucmkd/data/datasets``.
    settings : dict
        Resolved.
    stamp : str
        See :meth:`ucmkd.data.base.Dataset.stamp`.
    upstream : str or None
        What is fetched for it.
    """

    kind: str
    settings: dict[str, Any]
    stamp: str
    upstream: str | None


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """What runs.

    Attributes
    ----------
    trials, students : int
        See ``tuning`` in the configuration.
    mirror : str or None
        A folder of archives.
    diagnose : tuple of str
        What is looked at in finished runs, see ``diagnose`` in the configuration.
    datasets : dict
        The source of every dataset in use.
    shifts : dict
        Those that the configuration defines.
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
    trials: int
    students: int
    tracking_uri: str | None
    mirror: str | None
    diagnose: tuple[str, ...]
    datasets: dict[str, Source]
    shifts: dict[str, dict[str, Any]]
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
        if "cch" in valid["diagnose"]:
            _check_students_alone(used, cells)
        for name in used:
            _check_rule(name)
        names = dict.fromkeys(name for pair in used.values() for name in (pair.teacher, pair.student))
        return cls(
            seeds=valid["seeds"],
            device=valid["device"],
            width=valid["embedding"]["width"],
            project=valid["embedding"]["project"],
            trials=valid["tuning"]["trials"],
            students=valid["tuning"]["students"],
            tracking_uri=valid["tracking"]["uri"],
            mirror=valid["data"]["mirror"],
            diagnose=tuple(valid["diagnose"]),
            datasets={name: _source(name, valid) for name in names},
            shifts=valid["shifts"],
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

    def shift(self, pair: str, regime: str) -> dict[str, Any] | None:
        """Give the fields of the shift that a regime of a pair names; None where it names none."""
        name = find_regime(regime).shift
        if name is None:
            return None
        return plain(find_shift(name, self.shifts, **self.pairs[pair].modalities))

    @property
    def teachers(self) -> list[str]:
        """Every ``pair/pool`` that a teacher is trained for."""
        return list(dict.fromkeys(f"{cell.pair}/{cell.pool}" for cell in self.cells.values()))

    @property
    def tuned(self) -> dict[str, Cell]:
        """One cell of every ``pair/regime/method`` whose settings are tuned."""
        return {cell.tuned: cell for cell in self.cells.values()} if self.trials else {}

    @property
    def bounded(self) -> list[str]:
        """Every cell of which the terms of the bound are measured."""
        return list(self.cells) if "bound" in self.diagnose else []

    @property
    def complementary(self) -> list[str]:
        """Every pair of which mutual information is estimated."""
        return list(self.pairs) if "cch" in self.diagnose else []

    @property
    def piloted(self) -> dict[str, Cell]:
        """One cell of every ``pair/regime/method`` that a pilot is trained for: with true pairs, or alone."""
        if "cch" not in self.diagnose:
            return {}
        return {
            cell.tuned: cell
            for cell in self.cells.values()
            if (cell.regime == PILOTED and cell.variant == DEFAULT) or cell.key == student_alone(cell.pair)
        }

    def counts(self) -> dict[str, Any]:
        """Count cells, runs and training jobs; list the cells, one row a pair, regime and method."""
        n_blocks = len(blocks(self.seeds))
        variants: dict[tuple[str, str, str], list[str]] = {}
        for cell in sorted(self.cells.values(), key=lambda cell: list(self.pairs).index(cell.pair)):
            variants.setdefault((cell.pair, cell.regime, cell.method), []).append(cell.variant)
        return {
            "listed": [
                {
                    "pair": pair,
                    "regime": regime,
                    "method": method,
                    "runs": len(names) * self.seeds,
                    "jobs": len(names) * n_blocks,
                    "variants": names,
                }
                for (pair, regime, method), names in variants.items()
            ],
            "cells": len(self.cells),
            "runs": len(self.cells) * self.seeds,
            "teachers": len(self.teachers) * self.seeds,
            "trials": len(self.tuned) * self.trials * self.students,
            "jobs": (len(self.cells) + len(self.teachers)) * n_blocks
            + len(self.tuned)
            + (len(self.teachers) if self.trials else 0),
        }


def student_alone(pair: str) -> str:
    """Name the cell whose students are trained by plain cross-entropy, without any teacher."""
    return f"{pair}/{ALONE}/ce/{DEFAULT}"


def _check_students_alone(pairs: Mapping[str, Pair], cells: Mapping[str, Cell]) -> None:
    """Refuse to estimate mutual information where nobody trains the student alone."""
    for name in pairs:
        if student_alone(name) not in cells:
            raise ConfigError(
                f"diagnose: cch compares the teacher of '{name}' with a student trained alone; add method ce "
                "for this pair under cells"
            )


def _check_names(config: Mapping[str, Any]) -> None:
    """Refuse names under datasets, models, pairs, settings and variants for which there is no file."""
    kinds, methods = discovery.names("ucmkd.data.datasets"), method_names()
    datasets = list(dict.fromkeys([*config["datasets"], *kinds]))
    for name, values in config["datasets"].items():
        if "kind" in values:
            known(f"datasets.{name}.kind", "kind of dataset", values["kind"], kinds)
        elif name not in kinds:
            raise ConfigError(f"{no_such('datasets', 'dataset', name, kinds)}; or say its kind")
    for modality, model in config["models"].items():
        for role in ROLES:
            _model(model, role, f"models.{modality}")
    for pair, definition in config["pairs"].items():
        for role in ROLES:
            known(f"pairs.{pair}.{role}", "dataset", definition[role], datasets)
    for section in ("settings", "variants"):
        for name in config[section]:
            known(section, "method", name, methods)
    for name, values in config["shifts"].items():
        known_settings(Shift, values, f"shifts.{name}")
        find_shift(name, config["shifts"], student="image", teacher="image")
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
    datasets = {role: dataset_of(config, definition[role]) for role in ROLES}
    models, recipes = {}, {}
    for role, dataset in datasets.items():
        if role in definition["models"]:
            models[role] = _model(definition["models"][role], role, f"{place}.models.{role}")
        elif dataset.modality in config["models"]:
            models[role] = _model(config["models"][dataset.modality], role, f"models.{dataset.modality}")
        else:
            raise ConfigError(
                f"models.{dataset.modality}: is missing, and {place}.{role} needs it; known models: "
                f"{', '.join(discovery.names('ucmkd.models'))}"
            )
        if dataset.modality == "text":
            tokenizer = getattr(dataset.settings, "tokenizer", None)
            refuse_other_tokens(tokenizer, models[role].encoder, models[role].settings, f"{place}.{role}")
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
        modalities={role: dataset.modality for role, dataset in datasets.items()},
        models=models,
        recipes=recipes,
    )


def _model(model: str | Mapping[str, Any], role: str, place: str) -> Model:
    definition: Mapping[str, Any] = {"encoder": model} if isinstance(model, str) else model
    encoder = definition["encoder"]
    known(place, "model", encoder, discovery.names("ucmkd.models"))
    values, inside = definition.get(role, {}), f"{place}.{role}"
    known_settings(discovery.load("ucmkd.models", encoder, "Settings"), values, inside)
    return Model(encoder, plain(encoder_settings(encoder, values, inside)))


def dataset_of(config: Mapping[str, Any], name: str) -> Dataset[Any]:
    """Build a dataset as the configuration defines it."""
    kind, values = _kind(config, name)
    known_settings(dataset_class(kind).Settings, values, f"datasets.{name}")
    return load_dataset(kind, values, place=f"datasets.{name}")


def _kind(config: Mapping[str, Any], name: str) -> tuple[str, dict[str, Any]]:
    values = dict(config.get("datasets", {}).get(name, {}))
    return values.pop("kind", name), values


def _source(name: str, config: Mapping[str, Any]) -> Source:
    dataset = dataset_of(config, name)
    upstream = dataset.upstream.name if dataset.upstream else None
    return Source(_kind(config, name)[0], plain(dataset.settings), dataset.stamp(), upstream)
