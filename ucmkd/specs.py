"""What each job of the workflow is told: everything its result depends on, and nothing else.

A specification is plain data. Snakemake keeps it with the outputs and runs a job again when it changes, so it
holds the digest of the code that the job runs.
"""

import json
from collections.abc import Mapping
from typing import Any

from ucmkd.benchmark import Benchmark, student_alone
from ucmkd.blocks import TUNING_BLOCK, seeds_of, tuning_seeds
from ucmkd.cells import Cell, Pair
from ucmkd.data.regimes import ALONE, SIGN
from ucmkd.fingerprint import source_digest

Spec = dict[str, Any]

POOL_REGIME = {"full": ALONE, "own": "disjoint_teacher"}
"""The regime whose index files tell a teacher its pool: always the same one, so that adding a regime to the
benchmark does not train its teachers again."""


def pool_regime(pool: str) -> str:
    """Name the regime whose index files tell a teacher its pool."""
    base, sign, shift = pool.partition(SIGN)
    return f"{POOL_REGIME[base]}{sign}{shift}"


def text(spec: Spec) -> str:
    """Write a specification on one line."""
    return json.dumps(spec, separators=(",", ":"), allow_nan=False)


def fetch(benchmark: Benchmark, upstream: str) -> Spec:
    """Tell ``fetch`` what to get: any kind of dataset that is read from it says how."""
    kinds = sorted(source.kind for source in benchmark.datasets.values() if source.upstream == upstream)
    return {"kind": kinds[0], "folder": f"results/downloads/{upstream}"}


def prepare(benchmark: Benchmark, dataset: str) -> Spec:
    """Tell ``prepare`` which dataset to store, and where."""
    source = benchmark.datasets[dataset]
    code = source_digest("ucmkd.data.prepared", f"ucmkd.data.datasets.{source.kind}")
    return {
        "dataset": dataset,
        "kind": source.kind,
        "settings": source.settings,
        "stamp": source.stamp,
        "downloads": "results/downloads",
        "scratch": f"results/scratch/{dataset}/{code}",
        "folder": f"results/data/{dataset}",
    }


def pair_up(benchmark: Benchmark, pair: str, regime: str) -> Spec:
    """Tell ``pair_up`` which datasets meet, and how."""
    definition = benchmark.pairs[pair]
    shift = benchmark.shift(pair, regime)
    return {
        "pair": pair,
        "regime": regime,
        "teacher": f"results/data/{definition.teacher}",
        "student": f"results/data/{definition.student}",
        "labels_per_class": definition.labels_per_class,
        "student_share": definition.student_share,
        "shift": shift,
        "folder": f"results/pairs/{pair}/{regime}",
    }


def teacher(benchmark: Benchmark, pair: str, pool: str, block: int) -> Spec:
    """Tell ``teacher`` which seeds to train, and on what."""
    definition = benchmark.pairs[pair]
    model = definition.models["teacher"]
    return {
        "pair": pair,
        "pool": pool,
        "seeds": tuning_seeds(benchmark.students)
        if block == TUNING_BLOCK
        else seeds_of(block, benchmark.seeds),
        "pair_folder": f"results/pairs/{pair}/{pool_regime(pool)}",
        "teacher_data": f"results/data/{definition.teacher}",
        "model": {
            "encoder": model.encoder,
            "encoder_settings": model.settings,
            "size": "teacher",
            "width": benchmark.width,
        },
        "recipe": definition.recipes["teacher"],
        "device": benchmark.device,
        "code": source_digest("ucmkd.training.teacher", f"ucmkd.models.{model.encoder}"),
        "folder": f"results/teachers/{pair}/{pool}/block{block}",
    }


def distill(benchmark: Benchmark, cell: Cell, block: int) -> Spec:
    """Tell ``distill`` which seeds of a cell to train, and on what."""
    return _student(benchmark, cell, "ucmkd.training.distill", block) | {
        "variant": cell.variant,
        "control": cell.control,
        "tuned": f"results/tuning/{cell.tuned}/best.json" if benchmark.trials else None,
        "own": cell.own,
        "seeds": seeds_of(block, benchmark.seeds),
        "folder": f"results/runs/{cell.key}/block{block}",
    }


def tune(benchmark: Benchmark, name: str) -> Spec:
    """Tell ``tune`` for which ``pair/regime/method`` to try settings."""
    cell = benchmark.tuned[name]
    return _student(benchmark, cell, "ucmkd.training.tune", TUNING_BLOCK) | {
        "settings": cell.base,
        "trials": benchmark.trials,
        "seeds": tuning_seeds(benchmark.students),
        "folder": f"results/tuning/{name}",
    }


def _student(benchmark: Benchmark, cell: Cell, module: str, block: int) -> Spec:
    """Say what every job is told that trains students."""
    definition = benchmark.pairs[cell.pair]
    model = definition.models["student"]
    return {
        "pair": cell.pair,
        "regime": cell.regime,
        "method": cell.method,
        "settings": cell.settings,
        "pair_folder": f"results/pairs/{cell.pair}/{cell.regime}",
        **_data(benchmark, cell.pair),
        "teacher_folder": f"results/teachers/{cell.pair}/{cell.pool}/block{block}",
        "model": {
            "encoder": model.encoder,
            "encoder_settings": model.settings,
            "size": "student",
            "width": benchmark.width,
            "project": benchmark.project,
        },
        "recipes": definition.recipes,
        "device": benchmark.device,
        "code": source_digest(
            module,
            f"ucmkd.methods.{cell.method}",
            *(f"ucmkd.models.{one.encoder}" for one in definition.models.values()),
        ),
    }


def bound(benchmark: Benchmark, cell: Cell, block: int) -> Spec:
    """Tell ``bound`` of which students to measure the terms of the bound."""
    return {
        "pair": cell.pair,
        "regime": cell.regime,
        "method": cell.method,
        "variant": cell.variant,
        "seeds": seeds_of(block, benchmark.seeds),
        "run_folder": f"results/runs/{cell.key}/block{block}",
        "teacher_folder": f"results/teachers/{cell.pair}/{cell.pool}/block{block}",
        "pair_folder": f"results/pairs/{cell.pair}/{cell.regime}",
        **_data(benchmark, cell.pair),
        "code": _diagnosis_code("bound", benchmark.pairs[cell.pair]),
        "output": f"results/diagnostics/bound/{cell.key}/block{block}.json",
    }


def cch(benchmark: Benchmark, pair: str, block: int) -> Spec:
    """Tell ``cch`` between which teachers and students to estimate mutual information."""
    definition = benchmark.pairs[pair]
    return {
        "pair": pair,
        "seeds": seeds_of(block, benchmark.seeds),
        "student_folder": f"results/runs/{student_alone(pair)}/block{block}",
        "teacher_folder": f"results/teachers/{pair}/full/block{block}",
        "pair_folder": f"results/pairs/{pair}/{ALONE}",
        **_data(benchmark, pair),
        "paired": definition.paired,
        "code": _diagnosis_code("cch", definition),
        "output": f"results/diagnostics/cch/{pair}/block{block}.json",
    }


def pilot(benchmark: Benchmark, name: str, block: int) -> Spec:
    """Tell ``pilot`` for which ``pair/regime/method`` to train shortly."""
    return _student(benchmark, benchmark.piloted[name], "ucmkd.diagnostics.pilot", block) | {
        "seeds": seeds_of(block, benchmark.seeds),
        "folder": f"results/diagnostics/pilot/{name}/block{block}",
    }


def simulate() -> Spec:
    """Tell ``simulate`` where the comparison of closed forms with simulations goes."""
    return {
        "seed": 0,
        "code": source_digest("ucmkd.diagnostics.simulation"),
        "output": "results/diagnostics/simulation.json",
    }


def _diagnosis_code(diagnosis: str, pair: Pair) -> str:
    student = pair.models["student"].encoder
    return source_digest(f"ucmkd.diagnostics.{diagnosis}", f"ucmkd.models.{student}")


def _data(benchmark: Benchmark, pair: str) -> Spec:
    definition = benchmark.pairs[pair]
    return {
        "student_data": f"results/data/{definition.student}",
        "teacher_data": f"results/data/{definition.teacher}",
    }


def summarise(benchmark: Benchmark) -> Spec:
    """Tell ``summarise`` which runs must be there."""
    return _runs(benchmark) | {
        "bounded": benchmark.bounded,
        "complementary": {
            name: {"teacher": benchmark.pairs[name].teacher, "student": benchmark.pairs[name].student}
            for name in benchmark.complementary
        },
        "piloted": list(benchmark.piloted),
        "folder": "results/summary",
    }


def figures() -> Spec:
    """Tell ``figures`` what to draw from, and where to."""
    return {"summary_folder": "results/summary", "figures_folder": "results/figures"}


def data_card(dataset: str) -> Spec:
    """Tell ``data_card`` which dataset to show, and where to."""
    return {"folder": f"results/data/{dataset}", "picture": f"results/figures/data/{dataset}.png"}


def report(benchmark: Benchmark, config: Mapping[str, Any]) -> Spec:
    """Tell ``report`` what to put together; the page shows the configuration."""
    return {
        "summary_folder": "results/summary",
        "figures_folder": "results/figures",
        "data_folders": [f"results/data/{name}" for name in benchmark.datasets],
        "data_pictures": [f"results/figures/data/{name}.png" for name in benchmark.datasets],
        "config_dict": config,
        "output": "results/report.html",
    }


def publish(benchmark: Benchmark) -> Spec:
    """Tell ``publish`` what to show, and where."""
    return _runs(benchmark) | {
        "summary_folder": "results/summary",
        "figures_folder": "results/figures",
        "report": "results/report.html",
        "uri": benchmark.tracking_uri,
        "receipt": "results/tracking/published.json",
    }


def _runs(benchmark: Benchmark) -> Spec:
    """Name every run in few words: the job lists blocks and seeds itself."""
    return {
        "cells": list(benchmark.cells),
        "teachers": benchmark.teachers,
        "tuned": list(benchmark.tuned),
        "seeds": benchmark.seeds,
    }
