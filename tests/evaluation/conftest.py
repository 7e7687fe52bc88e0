"""A made-up benchmark and the summary of it, made once."""

from pathlib import Path

import pytest

from tests.evaluation.synthetic import Benchmark, default_cells, write_benchmark
from ucmkd.evaluation.summarise import summarise
from ucmkd.evaluation.tables import Tables, read_tables

SEEDS = 6
EPOCHS = 4


@pytest.fixture(scope="session")
def benchmark_on_disk(tmp_path_factory) -> Benchmark:
    return write_benchmark(tmp_path_factory.mktemp("benchmark"), default_cells(), SEEDS, EPOCHS)


@pytest.fixture(scope="session")
def summary_folder(benchmark_on_disk, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("summary")
    made = benchmark_on_disk
    summarise(made.runs, made.teachers, made.keys, folder)
    return folder


@pytest.fixture(scope="session")
def tables(summary_folder) -> Tables:
    return read_tables(summary_folder)
