"""What it costs to publish many runs."""

import tempfile
from pathlib import Path

from ucmkd import specs
from ucmkd.benchmark import Benchmark
from ucmkd.config import DEFAULT, load
from ucmkd.pipeline.made_up import many_cells, write_runs
from ucmkd.pipeline.processes import cost_of
from ucmkd.pipeline.rows import Row, cost_rows, row

SECONDS = 60


def bench_publish(runs: int = 1000, config: Path = DEFAULT) -> list[Row]:
    """Run the job that publishes made-up runs to a database that is not there yet."""
    benchmark = Benchmark.parse(load([config]))
    cells = many_cells(benchmark, runs)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_runs(folder, cells, benchmark.seeds)
        spec = {
            "cells": [cell.key for cell in cells],
            "teachers": [],
            "tuned": [],
            "seeds": benchmark.seeds,
            "summary_folder": "results/summary",
            "figures_folder": "results/figures",
            "report": "results/report.html",
            "uri": None,
            "receipt": "results/tracking/published.json",
        }
        cost = cost_of(["ucmkd.jobs", "publish", "-"], folder, specs.text(spec))
    return [row("runs", len(cells) * benchmark.seeds), *cost_rows(cost, seconds=SECONDS)]
