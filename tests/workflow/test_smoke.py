"""The smoke benchmark, run for real once, and what runs again after a change."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import torch

from ucmkd import specs
from ucmkd.benchmark import Benchmark
from ucmkd.blocks import run_folders, run_keys
from ucmkd.config import ROOT, load
from ucmkd.figures.draw import figure_names
from ucmkd.methods.base import load_method
from ucmkd.pipeline.disk import bench_disk
from ucmkd.pipeline.planning import bench_no_op
from ucmkd.pipeline.share import bench_share
from ucmkd.training.block import PARTS
from ucmkd.training.together import trains_together

SMOKE = ("--configfile", "config/smoke.yaml")
GATHERED = {"summarise": 1, "plot_figures": 1, "write_report": 1, "publish_runs": 1}


@pytest.fixture(scope="module")
def benchmark():
    return Benchmark.parse(load([ROOT / "config" / "smoke.yaml"]))


@pytest.fixture(scope="module")
def finished(snakemake, tree):
    """A copy of the tree in which the smoke benchmark has run."""
    done = snakemake(tree, "--cores", "2", "smoke", *SMOKE)
    assert done.code == 0, done.output
    return tree


def plan(snakemake, tree, *words):
    """Ask what would run."""
    done = snakemake(tree, "-n", "smoke", *SMOKE, *words)
    assert done.code == 0, done.output
    return done


@pytest.fixture
def edited(finished):
    """Give a function that adds to a file of the tree until the test is over."""
    before = {}

    def edit(path, addition):
        file = finished / path
        before[file] = file.read_text()
        file.write_text(before[file] + addition)

    yield edit
    for file, text in before.items():
        file.write_text(text)


def test_every_run_leaves_a_record_its_history_its_predictions_and_its_weights(finished, benchmark):
    keys = []
    for folder in run_folders(benchmark.cells, benchmark.seeds):
        block = finished / folder
        records = json.loads((block / "records.json").read_text())
        keys += [record["run_key"] for record in records]
        seeds = {record["seed"] for record in records}
        assert set(pd.read_csv(block / "history.csv").seed) == seeds
        for folder, ending in (("predictions", "npz"), ("models", "safetensors")):
            assert {f"seed{seed}.{ending}" for seed in seeds} <= {
                path.name for path in (block / folder).iterdir()
            }
    assert keys == run_keys(benchmark.cells, benchmark.seeds)


def test_jobs_use_the_instructions_that_are_common_to_processors(finished):
    environment = pd.read_csv(finished / "results/summary/environment.csv").set_index("item").value
    assert environment["instructions"] == torch.backends.cpu.get_cpu_capability() != "AVX512"


def test_the_scores_hold_every_run(finished, benchmark):
    scores = pd.read_csv(finished / "results/summary/scores.csv")
    shown = scores.query("split == 'test' and metric == 'accuracy'")
    keys = (
        shown.pair
        + "/"
        + shown.regime
        + "/"
        + shown.method
        + "/"
        + shown.variant
        + "/seed"
        + shown.seed.astype(str)
    )
    assert sorted(keys) == sorted(run_keys(benchmark.cells, benchmark.seeds))
    assert shown.value.between(0, 1).all()


def test_figures_report_and_tracking_are_there(finished):
    figures = {path.name for path in (finished / "results/figures").iterdir()}
    assert figures == {"data", *(f"{name}.{kind}" for name in figure_names() for kind in ("png", "svg"))}
    pictures = {path.stem for path in (finished / "results/figures/data").iterdir()}
    assert pictures == {"handwritten_digits", "spoken_digits", "digit_profiles"}
    assert (finished / "results/report.html").stat().st_size > 10_000
    published = json.loads((finished / "results/tracking/published.json").read_text())
    assert published["pending"] == []
    assert published["new"] > 0


def test_every_job_has_a_log_and_a_timing(finished):
    logs = {
        path.relative_to(finished / "results/logs").with_suffix("")
        for path in finished.glob("results/logs/**/*.log")
    }
    timings = {path.relative_to(finished / "results/timings").with_suffix("")
               for path in finished.glob("results/timings/**/*.tsv")}  # fmt: skip
    assert logs == timings | {Path("snakemake")}  # which says only what Snakemake itself has cost
    assert len(timings) == 3 + 5 + 3 + 9 + 3 + 4


def test_a_second_run_has_nothing_to_do_even_after_remarks(snakemake, finished, edited):
    edited("ucmkd/methods/ucmkd_paper.py", "\n# A remark.\n")
    edited("ucmkd/training/runner.py", '\n"""Another remark."""\n')
    done = snakemake(finished, "--cores", "2", "smoke", *SMOKE)
    assert done.code == 0
    assert "Nothing to be done" in done.output


def test_only_an_edited_method_a_changed_setting_and_a_lost_block_are_trained_again(
    snakemake, finished, edited
):
    edited("ucmkd/methods/kd.py", "\nEDITED = True\n")
    (finished / "mine.yaml").write_text("variants: {ucmkd_paper: {no_alignment: {n2: 2}}}\n")
    lost = finished / "results/runs/handwritten_spoken/alone/ce/default/block0/records.json"
    hidden = lost.rename(finished / "hidden.json")
    try:
        done = plan(snakemake, finished, "mine.yaml")
    finally:
        hidden.rename(lost)
    assert done.jobs == GATHERED | {"distill": 3}
    assert done.trained == {"kd/default", "ucmkd_paper/no_alignment", "ce/default"}


def test_an_edited_figure_is_drawn_and_nothing_is_trained(snakemake, finished, edited):
    edited("ucmkd/figures/gain.py", "\nEDITED = True\n")
    assert plan(snakemake, finished).jobs == {name: 1 for name in GATHERED if name != "summarise"}


def test_an_interrupted_block_goes_on_from_the_first_missing_seed(finished, benchmark):
    cell = benchmark.cells["handwritten_spoken/class_cond/ucmkd_paper/default"]
    assert not trains_together(load_method("ucmkd_paper"), "convnet", "cpu")
    spec = specs.distill(benchmark, cell, 0)
    spec["folder"] = "results/interrupted/block0"
    spec["recipes"]["student"]["epochs"] = 20
    command = [sys.executable, "-m", "ucmkd.jobs", "distill", specs.text(spec)]
    first = subprocess.Popen(command, cwd=finished, stderr=subprocess.DEVNULL)
    part = finished / spec["folder"] / PARTS / "seed0" / "record.json"
    while not part.exists():
        assert first.poll() is None, "ended before it could be interrupted"
        time.sleep(0.01)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    before = part.read_text()
    second = subprocess.run(command, cwd=finished, capture_output=True, text=True, check=True)
    records = json.loads((finished / spec["folder"] / "records.json").read_text())
    assert records[0] == json.loads(before)
    assert [record["seed"] for record in records] == [0, 1]
    assert "1 of 2 seeds are there already" in second.stderr


def test_a_failed_job_shows_the_end_of_its_log_and_ends_with_1(snakemake, finished, tmp_path):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("datasets: {spoken_digits: {train_voices: [nobody]}}\n")
    where = ("--snakefile", str(finished / "workflow/Snakefile"), "--configfile", str(wrong))
    done = snakemake(tmp_path, "--cores", "1", "results/data/spoken_digits/card.json", *where)
    assert done.code == 1
    assert "nobody" in done.output.split("Logfile")[-1]


def test_the_time_of_every_part_is_known(finished):
    seconds = {row["part"]: row["seconds"] for row in bench_share(finished)}
    assert seconds.pop("diagnosing") == 0
    assert min(seconds.values()) > 0


def test_the_disk_and_a_call_without_work_are_measured(finished, benchmark):
    assert bench_disk(finished)[0]["measured"] == len(benchmark.cells) * benchmark.seeds
    assert bench_no_op(finished, [ROOT / "config" / "smoke.yaml"])
