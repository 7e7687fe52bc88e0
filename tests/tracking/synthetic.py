"""Made-up runs in the layout that training leaves on disk."""

import csv
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ucmkd.tracking.publish import Published, publish

TEACHER = "teacher"


def run_key(pair: str, regime: str, method: str, variant: str, seed: int) -> str:
    return f"{pair}/{regime}/{method}/{variant}/seed{seed}"


def make_record(pair: str, regime: str, method: str, variant: str, seed: int, epochs: int) -> dict[str, Any]:
    """One student's record (or a teacher's, for the method ``teacher``)."""
    stage = "teacher" if method == TEACHER else "student"
    accuracy = 0.7 + 0.01 * seed
    scores = {"accuracy": accuracy, "macro_f1": accuracy - 0.01, "nll": 0.6, "ece": 0.05}
    return {
        "run_key": run_key(pair, regime, method, variant, seed),
        "stage": stage,
        "pair": pair,
        "regime": regime,
        "method": method,
        "variant": variant,
        "seed": seed,
        "control": "real",
        "label": method.replace("_", " ").upper(),
        "needs": {
            "teacher": ["features"],
            "correspondence": "none",
            "student_labels": True,
            "teacher_labels": False,
        },
        "fallback": None,
        "settings": {"weight": 1.0, "plan": {"epsilon": 0.05, "costs": ["l2", "cosine"]}, "detach": True},
        "recipe": {"optimiser": "adamw", "learning_rate": 0.001, "epochs": epochs, "batch_size": 64},
        "model": {"encoder": "convnet", "size": stage, "width": 64},
        "scores": {"val": scores, "test": {**scores, "accuracy": accuracy - 0.02}},
        "reliability": {"confidence": [0.55], "accuracy": [0.5], "count": [12]},
        "best_epoch": epochs // 2,
        "costs": {"steps": 16 * epochs, "student_forwards": 1.0, "aux_parameters": 0, "fit_seconds": 1.25},
        "teacher": None
        if stage == "teacher"
        else {"run_key": run_key(pair, "full", TEACHER, "default", seed), "val_accuracy": 0.97},
        "digest": "0" * 64,
        "versions": {"ucmkd": "0.1.0", "torch": "2.6.0"},
        "device": "cpu",
        "started": f"2026-03-0{1 + seed}T10:00:00+00:00",
        "finished": f"2026-03-0{1 + seed}T10:00:40+00:00",
    }


def make_history(seed: int, epochs: int) -> list[tuple[int, int, str, float]]:
    """Curves that fall and rise as curves do: rows of seed, epoch, metric, value."""
    rows: list[tuple[int, int, str, float]] = []
    for epoch in range(1, epochs + 1):
        progress = epoch / epochs
        rows.append((seed, epoch, "loss/task", 2.3 * math.exp(-3 * progress) + 0.01 * seed))
        rows.append((seed, epoch, "loss/alignment", 1.0 - 0.5 * progress))
        rows.append((seed, epoch, "gradient_ratio/alignment", 0.3 + 0.1 * progress))
        rows.append((seed, epoch, "val/accuracy", 0.7 * progress + 0.01 * seed))
        rows.append((seed, epoch, "val/nll", 2.3 - 1.7 * progress))
        rows.append((seed, epoch, "rate", 0.001 * (1 - progress)))
    return rows


def write_block(folder: Path, records: list[dict[str, Any]], epochs: int) -> Path:
    """Write records.json and history.csv of one block."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "records.json").write_text(json.dumps(records), encoding="utf-8")
    with (folder / "history.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["seed", "epoch", "metric", "value"])
        for record in records:
            writer.writerows(make_history(record["seed"], epochs))
    return folder


@dataclass(frozen=True)
class Results:
    """Where the made-up runs are."""

    blocks: list[Path]
    summary: Path
    figures: Path
    report: Path
    receipt: Path

    def publish(self, uri: str | None = None) -> Published:
        return publish(self.blocks, self.summary, self.figures, self.report, uri, self.receipt)

    def records(self) -> dict[str, dict[str, Any]]:
        """Records by run key, as they are on disk."""
        listed = [
            record for block in self.blocks for record in json.loads((block / "records.json").read_text())
        ]
        return {record["run_key"]: record for record in listed}

    def change_record(self, change: Callable[[dict[str, Any]], None]) -> str:
        """Change the first record of the last block; return its run key."""
        path = self.blocks[-1] / "records.json"
        records = json.loads(path.read_text())
        change(records[0])
        path.write_text(json.dumps(records))
        key: str = records[0]["run_key"]
        return key


def write_results(root: Path, seeds: int = 3, epochs: int = 4) -> Results:
    """Write a block of a teacher and one of a student, and the summary."""
    blocks = []
    for regime, method in (("full", TEACHER), ("class_cond", "kd")):
        records = [
            make_record("image_audio", regime, method, "default", seed, epochs) for seed in range(seeds)
        ]
        blocks.append(write_block(root / "image_audio" / regime / method / "block0", records, epochs))
    results = Results(
        blocks, root / "summary", root / "figures", root / "report.html", root / "tracking" / "published.json"
    )
    results.summary.mkdir(parents=True)
    results.figures.mkdir()
    (results.summary / "scores.csv").write_text("pair,regime,method\nimage_audio,class_cond,kd\n")
    (results.figures / "scores.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>\n')
    results.report.write_text("<!doctype html><title>Report</title><p>Nothing to see</p>\n")
    return results
