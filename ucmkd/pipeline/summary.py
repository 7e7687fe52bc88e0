"""What it costs to summarise many runs."""

import tempfile
from pathlib import Path

from ucmkd import specs
from ucmkd.benchmark import Benchmark
from ucmkd.config import DEFAULT, load
from ucmkd.pipeline.made_up import many_cells, teachers_of, write_runs
from ucmkd.pipeline.processes import cost_of
from ucmkd.pipeline.rows import Row, cost_rows, row

SECONDS, MEMORY = 30, 1024


def bench_summary(records: int = 100_000, config: Path = DEFAULT) -> list[Row]:
    """Run the job that summarises made-up records of students, in the proportions of a configuration.

    The records and histories of 100,000 students take about a gigabyte of the folder for temporary files.
    """
    benchmark = Benchmark.parse(load([config]))
    cells = many_cells(benchmark, records)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_runs(folder, cells, benchmark.seeds)
        spec = {
            "cells": [cell.key for cell in cells],
            "teachers": teachers_of(cells),
            "tuned": [],
            "bounded": [],
            "complementary": {},
            "piloted": [],
            "seeds": benchmark.seeds,
            "folder": "results/summary",
        }
        cost = cost_of(["ucmkd.jobs", "summarise", "-"], folder, specs.text(spec))
    return [row("records", len(cells) * benchmark.seeds), *cost_rows(cost, seconds=SECONDS, memory=MEMORY)]
