"""What Snakemake plans: exactly the jobs that the configuration asks for, or one message."""

import os
import re

import pytest
from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, OutputSettings, Quietness, ResourceSettings

from ucmkd.benchmark import Benchmark
from ucmkd.config import ROOT, load
from ucmkd.figures.draw import figure_names

GATHERED = {"summarise": 1, "plot_figures": 1, "write_report": 1, "publish_runs": 1}


def test_smoke_has_exactly_the_expected_jobs(snakemake, tree):
    done = snakemake(tree, "-n", "smoke", "--configfile", "config/smoke.yaml")
    assert done.code == 0, done.output
    assert done.jobs == GATHERED | {
        "prepare_dataset": 3,
        "draw_data_card": 3,
        "pair_up_handwritten_spoken": 2,  # alone, class_cond
        "pair_up_handwritten_profiles": 3,  # alone, paired, disjoint_teacher
        "train_teacher": 3,  # full and, for the paired pair, own
        "distill": 9,
    }
    assert done.trained == {
        "ce/default",
        "ce_teacher_recipe/default",
        "kd/default",
        "ucmkd_paper/default",
        "ucmkd_paper/shuffled_teacher",
        "ucmkd_paper/no_alignment",
    }


def test_the_default_benchmark_has_the_jobs_that_check_counts(snakemake, tree):
    done = snakemake(tree, "-n")
    counts = Benchmark.parse(load()).counts()
    assert done.code == 0, done.output
    assert done.jobs["train_teacher"] + done.jobs["distill"] == counts["jobs"]
    assert {rule: done.jobs[rule] for rule in GATHERED} == GATHERED


def test_tuning_stands_before_the_runs_that_it_chooses_settings_for(snakemake, tree):
    (tree / "tuned.yaml").write_text("tuning: {trials: 4}\n")
    words = ("--configfile", "config/smoke.yaml", "tuned.yaml")
    done = snakemake(tree, "-n", "smoke", *words)
    assert done.code == 0, done.output
    assert done.jobs["tune"] == 7  # one for each pair, regime and method, whatever its variants
    assert done.jobs["train_teacher"] == 2 * 3
    run = "results/runs/handwritten_profiles/paired/kd/default/block0/records.json"
    only = snakemake(tree, "-n", run, *words)
    assert only.jobs["tune"] == only.jobs["distill"] == 1


def test_everything_that_a_cpu_can_do_is_planned(snakemake, tree):
    done = snakemake(tree, "-n", "--configfile", "config/full.yaml")
    full = Benchmark.parse(load([ROOT / "config" / "full.yaml"]))
    assert done.code == 0, done.output
    assert done.jobs["train_teacher"] + done.jobs["distill"] == full.counts()["jobs"]
    assert done.jobs["prepare_dataset"] == done.jobs["draw_data_card"] == len(full.datasets)
    assert done.jobs["fetch_upstream"] == 6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: 3\n", "ConfigError: seed: there is no such key; did you mean 'seeds'?"),
        ("seeds: 3\nseeds: 4\n", "line 2: key 'seeds' stands twice"),
    ],
    ids=["unknown key", "key twice"],
)
def test_a_wrong_configuration_stops_before_any_job_with_one_message(snakemake, tree, text, message):
    (tree / "wrong.yaml").write_text(text)
    done = snakemake(tree, "--cores", "1", "--configfile", "wrong.yaml")
    assert done.code == 2
    assert done.output.count("ConfigError") == 1
    assert message in done.output.splitlines()[-1]
    assert "Traceback" not in done.output
    assert not (tree / "results").exists()


def test_lint_is_silent(snakemake, tree):
    done = snakemake(tree, "--lint")
    assert "Congratulations, your workflow is in a good condition!" in done.output, done.output


@pytest.mark.parametrize(
    ("device", "rules"), [("cpu", set()), ("cuda", {"train_teacher", "tune", "distill", "pilot"})]
)
def test_rules_ask_for_a_gpu_only_when_the_configuration_does(monkeypatch, tmp_path, device, rules):
    monkeypatch.setenv("PATH", os.environ["PATH"])  # the workflow adds to both; undone after the test
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.chdir(tmp_path)
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as snakemake:
        plan = snakemake.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(config={"device": device}),
            snakefile=ROOT / "workflow" / "Snakefile",
        )
        plan.dag()
        asking = {rule.name for rule in plan._workflow.rules if rule.resources.get("gpu").value}
    assert asking == rules


def test_every_rule_that_computes_has_all_directives():
    wanted = ("output", "log", "benchmark", "conda", "threads", "resources", "params", "message", "shell")
    for path in (ROOT / "workflow" / "rules").glob("*.smk"):
        for rule in re.split(r"^rule ", path.read_text(), flags=re.MULTILINE)[1:]:
            missing = [directive for directive in wanted if f"\n    {directive}:" not in rule]
            assert not missing, (path.name, missing)
            assert rule.split("\n")[1].strip().startswith('"""'), path.name


def test_every_figure_has_a_caption():
    captions = {path.stem for path in (ROOT / "workflow" / "report").glob("*.rst")}
    assert captions >= set(figure_names())
