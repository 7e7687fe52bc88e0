"""Measurements on benchmarks of a few runs: what they count, never how long it took."""

import json
from pathlib import Path

import pytest
import yaml

from ucmkd.config import ROOT
from ucmkd.errors import ConfigError, UcmkdError
from ucmkd.files import write_json
from ucmkd.pipeline.disk import bench_disk
from ucmkd.pipeline.gpu import bench_gpu, steps_per_second
from ucmkd.pipeline.planning import bench_dry_run, bench_no_op
from ucmkd.pipeline.processes import cost_of
from ucmkd.pipeline.publishing import bench_publish
from ucmkd.pipeline.share import EVALUATION, REST, START, STUDENTS, TEACHERS, WRITING, bench_share
from ucmkd.pipeline.share_figure import draw_share
from ucmkd.pipeline.summary import bench_summary

CELLS = {
    "seeds": 2,
    "cells": [
        {"pairs": ["handwritten_spoken"], "methods": ["ce", "ce_teacher_recipe"]},
        {"pairs": ["handwritten_spoken"], "regimes": ["class_cond"], "methods": ["class_mean_soft"]},
    ],
}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "few.yaml"
    path.write_text(yaml.safe_dump(CELLS))
    return path


def measured(rows: list[dict]) -> dict:
    return {row["what"]: row["measured"] for row in rows}


def test_so_many_records_are_summarised(config: Path) -> None:
    rows = measured(bench_summary(9, config))
    assert rows["records"] == 10  # of five cells: those of the configuration, and two under another name
    assert rows["peak memory (MiB)"] > 0


def test_so_many_runs_are_published(config: Path) -> None:
    assert measured(bench_publish(4, config))["runs"] == 4


def test_a_configuration_gets_seeds_until_it_has_so_many_runs(config: Path) -> None:
    rows = measured(bench_dry_run(31, config))
    assert rows["runs"] == 3 * 11
    assert rows["training jobs"] == (3 + 1) * 2  # cells and a teacher, in blocks of ten seeds


def test_what_is_not_finished_is_not_run(config: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="something is left to do"):
        bench_no_op(tmp_path, [config])
    assert not (tmp_path / "results").exists()


def test_a_program_that_fails_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(UcmkdError, match="No module named no_such_module"):
        cost_of(["no_such_module"], tmp_path)


def test_a_file_with_two_names_takes_its_bytes_once(tmp_path: Path) -> None:
    models = tmp_path / "results/runs/a_b/paired/kd/default/block0/models"
    models.mkdir(parents=True)
    (models / "seed0.safetensors").write_bytes(bytes(50_000))
    before = measured(bench_disk(tmp_path))
    (models / "again").hardlink_to(models / "seed0.safetensors")
    assert before["runs"] == 1
    assert before["KiB a run in all"] > 50_000 / 1024
    assert measured(bench_disk(tmp_path))["KiB a run in all"] == pytest.approx(
        before["KiB a run in all"], abs=1
    )


def test_nothing_finished_takes_no_measurement(tmp_path: Path) -> None:
    for measure in (bench_disk, bench_share):
        with pytest.raises(ConfigError, match="run"):
            measure(tmp_path)


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A teacher and a block of two students, a summary, and two calls of Snakemake."""

    def costs(stepping: float) -> dict:
        return {"steps": 10, "step_seconds": stepping / 10, "evaluation_seconds": 2.0, "write_seconds": 0.5}

    logs = {
        "teachers/a_b/full/block0": ("teacher", [8.0], [3.0, 15.0]),
        "runs/a_b/paired/kd/default/block0": ("student", [20.0, 30.0], [2.0, 30.0, 61.0]),
    }
    for name, (stage, stepping, stamps) in logs.items():
        write_json(
            tmp_path / f"results/{name}/records.json", [{"stage": stage, "costs": costs(s)} for s in stepping]
        )
        write_log(tmp_path / f"results/logs/{name}.log", stamps)
    write_log(tmp_path / "results/logs/summary.log", [1.0, 9.0])
    write_log(tmp_path / "results/logs/snakemake.log", [7.0, 8.0])
    return tmp_path


def write_log(path: Path, stamps: list[float]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"12:00:00 {stamp:8.2f} s seed 0 (1 of 2)\n" for stamp in stamps))


def test_the_time_of_jobs_is_shared_out(finished: Path) -> None:
    rows = {row["part"]: row for row in bench_share(finished)}
    expected = {
        TEACHERS: 8,
        STUDENTS: 50,
        EVALUATION: 3 * 2,
        WRITING: 3 * 0.5,
        START: 3 + 2,
        REST: (15 - 3 - 8 - 2.5) + (61 - 2 - 50 - 5),
        "summary": 9,
        "Snakemake itself": 15,
    }
    assert {part: rows[part]["seconds"] for part in expected} == pytest.approx(expected)
    assert rows["all training steps"]["percent"] == pytest.approx(100 * 58 / (15 + 61 + 9 + 15))


def test_the_figure_is_drawn(finished: Path) -> None:
    draw_share(bench_share(finished), finished / "share.png")
    assert (finished / "share.png").stat().st_size > 5000


def test_the_command_prints_json(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from ucmkd import cli

    assert cli.main(["bench", "pipeline", "share", str(finished), "--json"]) == 0
    assert {row["part"] for row in json.loads(capsys.readouterr().out)} >= {STUDENTS, "summary"}


def test_steps_a_second_count_long_runs_more_than_short_ones() -> None:
    records = [
        {"costs": {"steps": 300, "step_seconds": 0.01}},
        {"costs": {"steps": 100, "step_seconds": 0.05}},
    ]
    assert steps_per_second(records) == pytest.approx(400 / (3 + 5))


def test_without_a_gpu_nothing_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ConfigError, match="finds no GPU"):
        bench_gpu()


@pytest.mark.slow
def test_a_benchmark_is_run_and_its_steps_are_counted(config: Path) -> None:
    rows = measured(bench_gpu("cpu", {"few": [ROOT / "config" / "smoke.yaml", config]}))
    assert rows["few: steps a second"] > 0
    assert rows["few: step of ce / ce"] == 1
    assert "6 seeds one by one / in one pass: kd, mlp" in rows
