"""How fast whole benchmarks are on a GPU, and how busy they keep it."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import mean
from typing import Any

import pandas as pd
import yaml

from ucmkd.config import ROOT
from ucmkd.errors import ConfigError
from ucmkd.files import read_json
from ucmkd.pipeline.planning import call_snakemake
from ucmkd.pipeline.rows import Row, row
from ucmkd.training.bench_seeds import bench_seeds

CONFIGS: Mapping[str, Sequence[Path]] = {"default": (), "ResNet-18": (ROOT / "config" / "resnet.yaml",)}
ASK = ("nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-l", "1")


def bench_gpu(device: str = "cuda", configs: Mapping[str, Sequence[Path]] = CONFIGS) -> list[Row]:
    """Run benchmarks in a temporary folder, then train students of several seeds in one pass and one by one.

    Parameters
    ----------
    device : "cuda" or "cpu"
    configs : mapping
        From what rows are named by to files laid over the default configuration.

    Returns
    -------
    list of dict
        For each configuration: steps of students a second, the mean utilisation of the first GPU where
        ``nvidia-smi`` tells it, and what a step of each method costs against cross-entropy; then the gains of
        :func:`~ucmkd.training.bench_seeds.bench_seeds`.

    Raises
    ------
    ConfigError
        If there is no GPU.
    UcmkdError
        If a benchmark fails.
    """
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("bench gpu: torch finds no GPU; run it where `nvidia-smi` lists one")
    rows = []
    for name, files in configs.items():
        rows += [{**each, "what": f"{name}: {each['what']}"} for each in _of_benchmark(device, files)]
    for gain in bench_seeds(device=device):
        what = f"{gain['seeds']} seeds one by one / in one pass: {gain['method']}, {gain['encoder']}"
        rows.append(row(what, gain["gain"]))
    return rows


def _of_benchmark(device: str, configs: Sequence[Path]) -> list[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "device.yaml").write_text(yaml.safe_dump({"device": device}))
        with _utilisation(folder / "utilisation") as told:
            call_snakemake(folder, ["--cores", "all"], [*configs, folder / "device.yaml"])
        results = folder / "results"
        records = [
            record
            for path in sorted(results.glob("runs/*/*/*/*/block*/records.json"))
            for record in read_json(path)
        ]
        return [
            row("steps a second", steps_per_second(records)),
            *(row("utilisation of the GPU (%)", mean(told)) for _ in told[:1]),
            *(row(f"step of {method} / ce", ratio) for method, ratio in step_ratios(results / "summary")),
        ]


def steps_per_second(records: Sequence[Mapping[str, Any]]) -> float:
    """Count the steps of all runs in a second of stepping."""
    costs = [record["costs"] for record in records]
    return float(sum(c["steps"] for c in costs) / sum(c["steps"] * c["step_seconds"] for c in costs))


def step_ratios(summary: Path) -> list[tuple[str, float]]:
    """Average over cells what a step of each method costs against one of cross-entropy."""
    costs = pd.read_csv(summary / "costs.csv")
    of_method = costs[costs.variant == "default"].groupby("method").step_ratio_to_ce.mean()
    return [(str(method), float(ratio)) for method, ratio in of_method.items()]


@contextmanager
def _utilisation(path: Path) -> Iterator[list[float]]:
    """Fill a list with what is asked of the first GPU every second; leave it empty where nothing answers."""
    told: list[float] = []
    if shutil.which(ASK[0]) is None:
        yield told
        return
    with path.open("w") as file, subprocess.Popen([*ASK, "-i", "0"], stdout=file) as asking:
        yield told
        asking.terminate()
    told += [float(line) for line in path.read_text().splitlines() if line.strip().isdigit()]
