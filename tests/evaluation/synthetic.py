"""Made-up runs in the layout that training leaves on disk: scores follow from names and seeds alone."""

import csv
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ucmkd.data.regimes import alone_in, find_regime
from ucmkd.seeding import generator_for

BLOCK_SIZE = 5
TEST_SAMPLES = 360
ALONE = ("ce", "ce_teacher_recipe", "ce_matched", "ce_randpert", "label_smoothing")
LABELS = {
    "ce": "CE",
    "ce_teacher_recipe": "CE (teacher's recipe)",
    "ce_matched": "CE matched",
    "ce_randpert": "CE + random perturbation",
    "label_smoothing": "Label smoothing",
    "class_mean_soft": "Class-mean soft labels",
    "proto_mse": "Class prototypes",
    "feature_ot": "Feature OT",
    "kd": "KD",
    "ucmkd_released": "UCMKD (released)",
    "ucmkd_paper": "UCMKD (paper)",
    "ucmkd_aligned": "UCMKD (aligned)",
    "ucmkd_second_order": "UCMKD (second order)",
}
PASSES = {"ce_matched": 3, "ce_randpert": 2, "ucmkd_released": 2.5, "ucmkd_paper": 3, "ucmkd_aligned": 3}

Key = tuple[str, str, str, str]


@dataclass
class Benchmark:
    """Folders of blocks, and the keys of the runs in them."""

    runs: list[Path] = field(default_factory=list)
    teachers: list[Path] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)


def default_cells() -> list[Key]:
    """The shape of the default configuration: three pairs, up to three regimes, controls and ablations."""
    regimes = {
        "handwritten_spoken": ("class_cond", "disjoint_teacher"),
        "spoken_handwritten": ("class_cond", "disjoint_teacher"),
        "handwritten_profiles": ("paired", "class_cond", "disjoint_teacher"),
    }
    methods = ("class_mean_soft", "proto_mse", "feature_ot", "ucmkd_released", "ucmkd_paper", "ucmkd_aligned")
    cells = [(pair, "alone", method, "default") for pair in regimes for method in ALONE]
    cells += [(pair, regime, m, "default") for pair in regimes for regime in regimes[pair] for m in methods]
    cells += [("handwritten_profiles", regime, "kd", "default") for regime in ("paired", "class_cond")]
    for pair in ("handwritten_spoken", "handwritten_profiles"):
        for method in ("class_mean_soft", "feature_ot", "ucmkd_paper"):
            cells += [(pair, "disjoint_teacher", method, v) for v in ("shuffled_teacher", "random_teacher")]
    cells += [("handwritten_spoken", "disjoint_teacher", "ucmkd_second_order", "default")]
    cells += [
        ("handwritten_spoken", "disjoint_teacher", "ucmkd_paper", variant)
        for variant in ("no_alignment", "no_label_step")
    ]
    return cells


def grid(pairs: Iterable[str], regimes: Iterable[str], methods: Iterable[str]) -> list[Key]:
    """Default variants of methods in every regime, after what is trained alone and shown the same labels."""
    pairs, regimes = list(pairs), list(regimes)
    shown = dict.fromkeys(alone_in(find_regime(regime)).name for regime in regimes or ["alone"])
    cells = [(pair, regime, method, "default") for pair in pairs for regime in shown for method in ALONE]
    methods = list(methods)
    return cells + [(p, regime, method, "default") for p in pairs for regime in regimes for method in methods]


def write_benchmark(root: Path, cells: Sequence[Key], seeds: int, epochs: int = 30) -> Benchmark:
    """Write students, and the teachers they learned from, in blocks of five seeds."""
    made = Benchmark(keys=[run_key(*cell, seed) for cell in cells for seed in range(seeds)])
    pools = dict.fromkeys((pair, _pool(regime)) for pair, regime, _, _ in cells)
    for start in range(0, seeds, BLOCK_SIZE):
        block = range(start, min(start + BLOCK_SIZE, seeds))
        name = f"block{start // BLOCK_SIZE}"
        for pair, pool in pools:
            folder = root / "teachers" / pair / pool / name
            write_block(
                folder, [make_record(pair, pool, "teacher", "default", seed) for seed in block], epochs
            )
            made.teachers.append(folder)
        for cell in cells:
            folder = root.joinpath("runs", *cell, name)
            write_block(folder, [make_record(*cell, seed) for seed in block], epochs)
            made.runs.append(folder)
    return made


def write_block(folder: Path, records: Sequence[dict[str, Any]], epochs: int = 30) -> None:
    """Write ``records.json`` and ``history.csv``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "records.json").write_text(json.dumps(records, indent=1))
    with (folder / "history.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("seed", "epoch", "metric", "value"))
        for record in records:
            writer.writerows(make_history(record, epochs))


def run_key(pair: str, regime: str, method: str, variant: str, seed: int) -> str:
    return f"{pair}/{regime}/{method}/{variant}/seed{seed}"


def make_record(pair: str, regime: str, method: str, variant: str, seed: int) -> dict[str, Any]:
    """One record; a teacher's for the method ``teacher``."""
    taught = method not in ALONE and method != "teacher"
    val, test = (_scores(pair, regime, method, variant, seed, split) for split in ("val", "test"))
    passes = PASSES.get(method, 1.0)
    control = {"shuffled_teacher": "shuffled", "random_teacher": "random"}.get(variant, "real")
    return {
        "run_key": run_key(pair, regime, method, variant, seed),
        "stage": "teacher" if method == "teacher" else "student",
        "pair": pair,
        "regime": regime,
        "method": method,
        "variant": variant,
        "seed": seed,
        "control": control,
        "label": LABELS.get(method, method),
        "needs": {
            "teacher": ["features", "head"] if "ucmkd" in method else ["logits"] if taught else [],
            "correspondence": "instance" if method == "kd" else "none",
            "student_labels": taught and "ucmkd" not in method,
            "teacher_labels": method in ("class_mean_soft", "proto_mse"),
        },
        "fallback": "class_mean_soft" if method == "kd" and regime != "paired" else None,
        "settings": {"weight": 1.0},
        "recipe": {"optimiser": "sgd", "epochs": 30},
        "model": {"encoder": "convnet", "size": "student", "width": 64},
        "scores": {"val": val, "test": test},
        "reliability": _reliability(test, pair, regime, method, variant, seed),
        "best_epoch": 20 + seed % 7,
        "costs": {
            "steps": 480,
            "student_forwards": float(passes),
            "student_backwards": float(math.floor(passes)),
            "teacher_forwards": 0.0,
            "teacher_backwards": 0.0,
            "aux_parameters": 0,
            "parameters": 5000,
            "ot_iterations": 100.0 if "_ot" in method or "ucmkd" in method else 0.0,
            "step_seconds": 0.002 * passes * (1.15 if taught else 1.0) * (1 + 0.01 * seed),
            "fit_seconds": 1.2 * passes,
        },
        "teacher": {"run_key": run_key(pair, _pool(regime), "teacher", "default", seed), "val_accuracy": 0.97}
        if taught
        else None,
        "digest": "0" * 64,
        "versions": {"ucmkd": "0.1.0", "torch": "2.6.0", "numpy": "2.0.0", "python": "3.11.7"},
        "device": "cpu",
        "started": "2026-03-01T10:00:00+00:00",
        "finished": "2026-03-01T10:00:40+00:00",
    }


def make_history(record: dict[str, Any], epochs: int) -> list[tuple[int, int, str, float]]:
    """Curves that fall and rise as curves do, from epoch 1."""
    seed, final = record["seed"], record["scores"]["val"]["accuracy"]
    draw = generator_for(seed, "history", record["run_key"])
    taught = record["teacher"] is not None
    rows: list[tuple[int, int, str, float]] = []
    for epoch in range(1, epochs + 1):
        done = 1 - math.exp(-4 * epoch / epochs)
        rows.append((seed, epoch, "loss/task", 2.3 * (1 - 0.9 * done) + 0.05 * draw.normal()))
        rows.append((seed, epoch, "rate", 0.05 * (1 + math.cos(math.pi * epoch / epochs)) / 2))
        if epoch % 2 == 0 or epoch == epochs:
            rows.append((seed, epoch, "val/accuracy", final * done + 0.01 * draw.normal()))
            rows.append((seed, epoch, "val/nll", 2.3 - 1.5 * done + 0.05 * draw.normal()))
            level = 0.25 if taught else 0.9
            rows.append(
                (seed, epoch, "alignment/kept", 1.5 - (1.5 - level) * done + 0.05 * abs(draw.normal()))
            )
        if taught:
            rows.append((seed, epoch, "loss/transport", 1 - 0.6 * done + 0.02 * draw.normal()))
            rows.append((seed, epoch, "transport/sharpness", 0.3 * done))
    return rows


def _pool(regime: str) -> str:
    return "own" if regime == "disjoint_teacher" else "full"


def _scores(pair: str, regime: str, method: str, variant: str, seed: int, split: str) -> dict[str, float]:
    base = {"spoken_handwritten": 0.86, "handwritten_profiles": 0.8}.get(pair, 0.76)
    shared = 0.012 * generator_for(seed, pair, split).normal()
    effect = 0.18 if method == "teacher" else 0.012 * generator_for(7, pair, method).normal()
    effect += 0.006 * generator_for(7, pair, regime, method, variant).normal()
    own = generator_for(seed, pair, regime, method, variant, split).normal(size=4)
    accuracy = round(min(base + shared + effect + 0.012 * own[0], 0.995) * TEST_SAMPLES) / TEST_SAMPLES
    return {
        "accuracy": accuracy,
        "macro_f1": accuracy - 0.004 + 0.002 * own[1],
        "nll": 2.6 * (1 - accuracy) * (1 + 0.1 * own[2]),
        "ece": abs(0.08 + 0.02 * own[3]),
    }


def _reliability(scores: dict[str, float], *names: str | int) -> dict[str, list[float]]:
    draw = generator_for(0, "reliability", *names)
    counts = draw.multinomial(TEST_SAMPLES, np.arange(1.0, 13.0) ** 2 / 650)
    bins: dict[str, list[float]] = {"confidence": [], "accuracy": [], "count": []}
    for number, count in enumerate(counts.tolist(), start=3):
        if count:
            confidence = (number + 0.5) / 15
            accuracy = min(max(confidence - scores["ece"] + 0.05 * draw.normal(), 0.0), 1.0)
            bins["confidence"].append(confidence)
            bins["accuracy"].append(accuracy)
            bins["count"].append(count)
    return bins
