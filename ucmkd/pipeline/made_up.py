"""Runs that nobody trained, in the layout that training leaves, as many as a measurement needs."""

import csv
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ucmkd.benchmark import Benchmark
from ucmkd.blocks import blocks, seeds_of
from ucmkd.cells import Cell
from ucmkd.evaluation.metrics import BINS
from ucmkd.evaluation.records import METRICS, SPLITS
from ucmkd.methods.base import method_class
from ucmkd.seeding import generator_for
from ucmkd.training.teacher import declared

EPOCHS = range(2, 21, 2)
CURVES = ("alignment/kept", "gradient_norm", "loss/alignment", "loss/task", "val/accuracy", "val/nll")


def many_cells(benchmark: Benchmark, records: int) -> list[Cell]:
    """Repeat the cells of a benchmark under other names of pairs, until their seeds leave so many records."""
    wanted = math.ceil(records / benchmark.seeds)
    cells = list(benchmark.cells.values())
    copies = range(math.ceil(wanted / len(cells)))
    return [replace(cell, pair=f"{cell.pair}_{copy}") for copy in copies for cell in cells][:wanted]


def teachers_of(cells: Iterable[Cell]) -> list[str]:
    """List the ``pair/pool`` that the cells learn from."""
    return list(dict.fromkeys(f"{cell.pair}/{cell.pool}" for cell in cells))


def write_runs(root: Path, cells: Sequence[Cell], seeds: int) -> None:
    """Write records and histories of students, and of their teachers, into ``root/results``."""
    for teacher in teachers_of(cells):
        pair, pool = teacher.split("/")
        names = {"pair": pair, "regime": pool, "method": "teacher", "variant": "default"}
        facts = {
            "stage": "teacher",
            "control": "real",
            "label": "Teacher",
            "needs": _needs("ce"),
            "pool": pool,
        }
        _write_blocks(root / "results" / "teachers" / teacher, names, facts, seeds)
    for cell in cells:
        names = {"pair": cell.pair, "regime": cell.regime, "method": cell.method, "variant": cell.variant}
        facts = {
            "stage": "student",
            "control": cell.control,
            "label": method_class(cell.method).label,
            "needs": _needs(cell.method),
            "settings": cell.settings,
            "pool": cell.pool,
        }
        _write_blocks(root / "results" / "runs" / cell.key, names, facts, seeds)


def _needs(method: str) -> dict[str, Any]:
    return declared(method_class(method).needs)


def _write_blocks(folder: Path, names: dict[str, str], facts: dict[str, Any], seeds: int) -> None:
    for block in blocks(seeds):
        place = folder / f"block{block}"
        place.mkdir(parents=True)
        numbers = seeds_of(block, seeds)
        records = [_record(names, facts, seed) for seed in numbers]
        (place / "records.json").write_text(json.dumps(records, indent=1, sort_keys=True) + "\n")
        with (place / "history.csv").open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["seed", "epoch", "metric", "value"])
            for seed in numbers:
                writer.writerows(_history(seed, names))


def _record(names: dict[str, str], facts: dict[str, Any], seed: int) -> dict[str, Any]:
    draw = generator_for(seed, "made up", *names.values())
    scores = draw.uniform(0.1, 0.9, size=(len(SPLITS), len(METRICS))).tolist()
    counts, centres = draw.integers(1, 50, BINS).tolist(), [(number + 0.5) / BINS for number in range(BINS)]
    teacher = {"run_key": f"{names['pair']}/{facts['pool']}/teacher/default/seed{seed}", "val_accuracy": 0.9}
    return {
        **names,
        **facts,
        "run_key": f"{'/'.join(names.values())}/seed{seed}",
        "seed": seed,
        "fallback": None,
        "settings": facts.get("settings", {}),
        "recipe": {
            "optimiser": "sgd",
            "learning_rate": 0.1,
            "epochs": EPOCHS[-1],
            "evaluations": len(EPOCHS),
        },
        "model": {"encoder": "convnet", "encoder_settings": {}, "size": facts["stage"], "width": 64},
        "scores": {
            split: dict(zip(METRICS, values, strict=True))
            for split, values in zip(SPLITS, scores, strict=True)
        },
        "reliability": {"confidence": centres, "accuracy": centres, "count": counts},
        "best_epoch": EPOCHS[-1],
        "costs": {
            "steps": 300,
            "student_forwards": 1.0,
            "student_backwards": 1.0,
            "teacher_forwards": 0.0,
            "teacher_backwards": 0.0,
            "aux_parameters": 0,
            "parameters": 6000,
            "ot_iterations": 0.0,
            "step_seconds": 0.005,
            "fit_seconds": 2.0,
        },
        "teacher": teacher if facts["stage"] == "student" else None,
        "digest": "0" * 64,
        "versions": {"ucmkd": "0", "torch": "0", "numpy": np.__version__, "python": "3"},
        "device": "cpu",
        "deterministic": True,
        "started": "2026-01-01T00:00:00+00:00",
        "finished": "2026-01-01T00:00:02+00:00",
    }


def _history(seed: int, names: dict[str, str]) -> list[tuple[int, int, str, float]]:
    values = generator_for(seed, "history", *names.values()).uniform(size=(len(EPOCHS), len(CURVES))).tolist()
    return [
        (seed, epoch, metric, value)
        for epoch, row in zip(EPOCHS, values, strict=True)
        for metric, value in zip(CURVES, row, strict=True)
    ]
