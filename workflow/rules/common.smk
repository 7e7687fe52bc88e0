"""What the rules share: the benchmark that the configuration describes, and what each job is told of it."""

import gc
import os
import sys
import threading
from pathlib import Path

from snakemake import benchmark as sampling

gc.set_threshold(100_000)  # the graph of jobs stays: looking for garbage in it is not worth the time
sampling.BENCHMARK_INTERVAL_SHORT = 2  # seconds: to look at a job's memory takes 15 ms, from jobs' cores

ROOT = Path(workflow.basedir).parent
sys.path.insert(0, str(ROOT))

from ucmkd import config as configuration, evaluation, specs
from ucmkd.benchmark import Benchmark
from ucmkd.blocks import (
    TUNING_BLOCK,
    bound_files,
    cch_files,
    pilot_folders,
    run_folders,
    simulation_files,
    teacher_folders,
    tuning_folders,
)
from ucmkd.data.base import dataset_class
from ucmkd.data.upstream import MIRROR
from ucmkd.errors import UcmkdError
from ucmkd.figures.draw import figure_names
from ucmkd.fingerprint import source_digest, text_digest
from ucmkd.processor import stamped

# Jobs run `python -m ucmkd.jobs`: with this interpreter (unless Snakemake activates a conda environment) and this
# source tree, in any working directory and on any node.
os.environ.update(
    PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
    PYTHONPATH=os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
)


def read_benchmark():
    """Understand the configuration, or stop with one message before there is any job."""
    try:
        for path in workflow.configfiles:
            configuration.read(path)  # Snakemake's own reader lets the last of two equal keys win
        return Benchmark.parse(config)
    except UcmkdError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


BENCHMARK = read_benchmark()
if BENCHMARK.mirror:
    os.environ[MIRROR] = str(Path(BENCHMARK.mirror).absolute())
GPU = {"gpu": 1} if BENCHMARK.device == "cuda" else {}
PAIR_RULES = sorted(Path(workflow.basedir).glob("rules/pairs/*.smk"))
FIGURE_FILES = expand("results/figures/{figure}.{kind}", figure=figure_names(), kind=["png", "svg"])
PREPARED = ["inputs.npy", "samples.csv", "card.json"]
DATA_FILES = expand("results/data/{dataset}/{file}", dataset=BENCHMARK.datasets, file=PREPARED)
DATA_PICTURES = expand("results/figures/data/{dataset}.png", dataset=BENCHMARK.datasets)
TABLES = expand("results/summary/{table}.csv", table=evaluation.TABLES)


wildcard_constraints:
    dataset="[a-z][a-z0-9_]*",
    upstream="[a-z][a-z0-9_]*",
    pair="[a-z][a-z0-9_]*",
    regime="[a-z][a-z0-9_.+]*",
    method="[a-z][a-z0-9_]*",
    variant="[a-z][a-z0-9_]*",
    pool="(full|own)([+][a-z][a-z0-9_.]*)?",
    block=r"\d+",


def stop_waiting():
    """Cancel the timers by which Snakemake would look at its queue again; its process would wait for them."""
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.cancel()


def note_own_time():
    """Leave what Snakemake itself has cost beside the logs of its jobs."""
    path = Path("results/logs/snakemake.log")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        print(stamped("done"), file=file)


def root_of(wildcards, output):
    """Find the folder that holds results/: this one, or where Snakemake keeps copies of files in a remote storage."""
    return output[0][: output[0].rindex("results/")] or "."


def fetch_spec(wildcards):
    return specs.text(specs.fetch(BENCHMARK, wildcards.upstream))


def kind_of(wildcards):
    """Find the file in ucmkd/data/datasets that reads or makes a dataset."""
    return BENCHMARK.datasets[wildcards.dataset].kind


def fetched_for(wildcards):
    """Find what a dataset is read from, where that is fetched."""
    upstream = BENCHMARK.datasets[wildcards.dataset].upstream
    return [f"results/downloads/{upstream}"] if upstream else []


def prepare_threads(wildcards):
    """Read many files with many processes; what is made or small takes one."""
    return workflow.cores if dataset_class(kind_of(wildcards)).parallel else 1


def prepare_spec(wildcards):
    return specs.text(specs.prepare(BENCHMARK, wildcards.dataset))


def data_card_spec(wildcards):
    return specs.text(specs.data_card(wildcards.dataset))


def pair_up_spec(wildcards):
    return specs.text(specs.pair_up(BENCHMARK, wildcards.pair, wildcards.regime))


def teacher_spec(wildcards):
    return specs.text(specs.teacher(BENCHMARK, wildcards.pair, wildcards.pool, int(wildcards.block)))


def distill_spec(wildcards):
    cell = BENCHMARK.cell(wildcards.pair, wildcards.regime, wildcards.method, wildcards.variant)
    return specs.text(specs.distill(BENCHMARK, cell, int(wildcards.block)))


def data_of(role):
    """Find the stored dataset that the teacher, or the student, of a pair sees."""
    return lambda wildcards: [
        f"results/data/{getattr(BENCHMARK.pairs[wildcards.pair], role)}/{file}" for file in PREPARED
    ]


def pool_of(wildcards):
    """Find the index files that tell a teacher its pool."""
    folder = f"results/pairs/{wildcards.pair}/{specs.pool_regime(wildcards.pool)}"
    return [f"{folder}/{file}" for file in ("student.csv", "teacher.csv", "card.json")]


def tune_spec(wildcards):
    return specs.text(specs.tune(BENCHMARK, f"{wildcards.pair}/{wildcards.regime}/{wildcards.method}"))


def teacher_files(teacher, block):
    """List what is read of a block of teachers; a teacher is ``pair/pool``."""
    folder = f"results/teachers/{teacher}/block{block}"
    return [f"{folder}/{file}" for file in ("records.json", "outputs", "models")]


def tuning_teachers_of(wildcards):
    """Find the block of teachers that settings are tuned with."""
    cell = BENCHMARK.tuned[f"{wildcards.pair}/{wildcards.regime}/{wildcards.method}"]
    return teacher_files(f"{cell.pair}/{cell.pool}", TUNING_BLOCK)


def tuned_for(wildcards):
    """Find the settings that were chosen for a cell, where settings are tuned."""
    folder = f"results/tuning/{wildcards.pair}/{wildcards.regime}/{wildcards.method}"
    return [f"{folder}/best.json"] if BENCHMARK.trials else []


def teachers_of(wildcards):
    """Find the block of teachers, one a seed, that a block of students learns from."""
    cell = BENCHMARK.cell(wildcards.pair, wildcards.regime, wildcards.method, wildcards.variant)
    return teacher_files(f"{cell.pair}/{cell.pool}", wildcards.block)


def bound_spec(wildcards):
    cell = BENCHMARK.cell(wildcards.pair, wildcards.regime, wildcards.method, wildcards.variant)
    return specs.text(specs.bound(BENCHMARK, cell, int(wildcards.block)))


def cch_spec(wildcards):
    return specs.text(specs.cch(BENCHMARK, wildcards.pair, int(wildcards.block)))


def pilot_spec(wildcards):
    name = f"{wildcards.pair}/{wildcards.regime}/{wildcards.method}"
    return specs.text(specs.pilot(BENCHMARK, name, int(wildcards.block)))


def pilot_teachers_of(wildcards):
    """Find the block of teachers that a block of pilots learns from."""
    cell = BENCHMARK.piloted[f"{wildcards.pair}/{wildcards.regime}/{wildcards.method}"]
    return teacher_files(f"{cell.pair}/{cell.pool}", wildcards.block)


def diagnosed():
    """List what is looked at in finished runs."""
    pilots = pilot_folders(BENCHMARK.piloted, BENCHMARK.seeds)
    return [
        *bound_files(BENCHMARK.bounded, BENCHMARK.seeds),
        *cch_files(BENCHMARK.complementary, BENCHMARK.seeds),
        *(f"{folder}/records.json" for folder in pilots),
        *simulation_files(BENCHMARK.complementary),
    ]


def all_runs():
    """List the files of all finished blocks, of teachers and students, that are read by whoever gathers runs."""
    folders = teacher_folders(BENCHMARK.teachers, BENCHMARK.seeds) + run_folders(
        BENCHMARK.cells, BENCHMARK.seeds
    )
    folders += tuning_folders(BENCHMARK.tuned)
    return [f"{folder}/{file}" for folder in folders for file in ("records.json", "history.csv")]
