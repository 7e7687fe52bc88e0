"""What Snakemake costs where no job runs: to plan a large benchmark, and to find a finished one finished."""

import math
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import yaml

from ucmkd.benchmark import Benchmark
from ucmkd.config import ROOT, load
from ucmkd.errors import ConfigError
from ucmkd.pipeline.processes import Cost, cost_of
from ucmkd.pipeline.rows import Row, cost_rows, row

PLANNING, NOTHING = 60, 15
NO_JOB = "Nothing to be done"


def bench_dry_run(runs: int = 10_000, config: Path = ROOT / "config" / "family.yaml") -> list[Row]:
    """Plan a configuration with so many seeds that it has that many runs."""
    benchmark = Benchmark.parse(load([config]))
    seeds = math.ceil(runs / len(benchmark.cells))
    counts = replace(benchmark, seeds=seeds).counts()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "seeds.yaml").write_text(yaml.safe_dump({"seeds": seeds}))
        cost = call_snakemake(folder, ["-n", "--quiet", "all"], [config, folder / "seeds.yaml"])
    return [
        row("runs", counts["runs"]),
        row("training jobs", counts["jobs"]),
        *cost_rows(cost, seconds=PLANNING),
    ]


def bench_no_op(folder: Path, configs: Sequence[Path] = ()) -> list[Row]:
    """Call Snakemake in a folder where everything is done.

    Raises
    ------
    ConfigError
        If something is left to do, which is not done.
    """
    if NO_JOB not in call_snakemake(folder, ["-n"], configs).said:
        raise ConfigError(
            f"{folder}: something is left to do; run the benchmark there first, with the same configuration"
        )
    return cost_rows(call_snakemake(folder, ["--cores", "all"], configs), seconds=NOTHING)


def call_snakemake(folder: Path, words: Sequence[str], configs: Sequence[Path]) -> Cost:
    """Call this source tree's workflow in a folder, with files laid over the default configuration."""
    workflow = ["--snakefile", str(ROOT / "workflow" / "Snakefile")]
    laid_over = ["--configfile", *(str(path.resolve()) for path in configs)] if configs else []
    return cost_of(["snakemake", *words, *workflow, *laid_over], folder)
