"""The command line: what it prints, what it refuses, and its exit codes."""

import io
import json
import subprocess
import sys

import pytest

from ucmkd import catalogue, cli, jobs
from ucmkd.blocks import BLOCK_SIZE
from ucmkd.data.regimes import regime_names
from ucmkd.files import write_json
from ucmkd.methods.base import method_names

COMMANDS = ("list", "check", "new", "embed", "show", "ui", "publish", "bench")
SCORES = {"accuracy": 0.75, "macro_f1": 0.7, "nll": 0.5, "ece": 0.1}


def record(cell: str, seed: int) -> dict:
    """Make a record as a run leaves it."""
    pair, regime, method, variant = cell.split("/")
    return {
        "run_key": f"{cell}/seed{seed}",
        "stage": "teacher" if method == "teacher" else "student",
        "pair": pair,
        "regime": regime,
        "method": method,
        "variant": variant,
        "seed": seed,
        "control": "real",
        "label": method.upper(),
        "settings": {"weight": 0.5, "reg": None},
        "recipe": {"epochs": 3},
        "model": {"encoder": "mlp"},
        "scores": {"val": {**SCORES, "accuracy": 0.8}, "test": SCORES},
        "reliability": {"confidence": [], "accuracy": [], "count": []},
        "best_epoch": 2,
        "costs": {"steps": 480, "student_forwards": 3.0},
        "teacher": None,
        "digest": "abc",
        "versions": {"ucmkd": "0"},
        "device": "cpu",
        "started": "2026-01-01T00:00:00+00:00",
        "finished": "2026-01-01T00:00:01+00:00",
    }


@pytest.fixture
def results(tmp_path, monkeypatch):
    """A results folder with seven seeds of one cell, and their teacher's first block."""
    monkeypatch.chdir(tmp_path)
    cell = "a_b/paired/kd/default"
    for block, seeds in enumerate((range(5), range(5, 7))):
        write_json(f"results/runs/{cell}/block{block}/records.json", [record(cell, seed) for seed in seeds])
    teachers = [record("a_b/full/teacher/default", seed) for seed in range(5)]
    write_json("results/teachers/a_b/full/block0/records.json", teachers)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Run a command in this process: exit code, standard output, standard error."""
    try:
        code = cli.main(words)
    except SystemExit as stop:
        code = int(stop.code or 0)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize("words", [["--help"], *([command, "--help"] for command in COMMANDS)], ids=" ".join)
def test_help_says_what_a_command_does_and_how_it_ends(capsys, words):
    code, out, _ = run(capsys, *words)
    assert code == 0
    assert "Exit codes" in out
    assert all(command in out for command in (COMMANDS if len(words) == 1 else ()))


@pytest.mark.parametrize(
    ("words", "suggestion"),
    [
        (["chek"], "did you mean 'check'?"),
        (["list", "method"], "did you mean 'methods'?"),
        (["bench", "transprt"], "did you mean 'transport'?"),
        ([], "COMMAND"),
        (["show"], "RUN"),
        (["ui", "--port", "http"], "invalid int value"),
    ],
    ids=str,
)
def test_a_wrong_word_is_refused_with_a_suggestion(capsys, words, suggestion):
    code, _, err = run(capsys, *words)
    assert code == 2
    assert suggestion in err


def test_the_kinds_of_list_are_those_of_the_catalogue():
    assert tuple(catalogue.KINDS) == cli.KINDS


@pytest.mark.parametrize("kind", cli.KINDS)
def test_list_prints_a_table_and_json_with_the_same_names(capsys, kind):
    code, out, _ = run(capsys, "list", kind, "--json")
    names = [row["name"] for row in json.loads(out)]
    assert code == 0
    assert names
    code, out, _ = run(capsys, "list", kind)
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["name", *names]


def test_list_finds_every_method_and_regime():
    assert [row["name"] for row in catalogue.methods()] == method_names()
    assert [row["name"] for row in catalogue.regimes()] == regime_names()


def test_list_says_what_a_method_consumes():
    row = next(row for row in catalogue.methods() if row["name"] == "kd")
    assert (row["teacher"], row["correspondence"]) == (["logits"], "class")
    assert row["fallback"] == "class_mean_soft"


def test_check_counts_what_a_configuration_runs(capsys, tmp_path):
    path, seeds = tmp_path / "mine.yaml", BLOCK_SIZE + 1
    path.write_text(
        f"seeds: {seeds}\ncells: [{{pairs: [handwritten_spoken], methods: [ce, label_smoothing]}}]\n"
    )
    code, out, _ = run(capsys, "check", str(path))
    assert code == 0
    assert out.splitlines()[-1] == f"2 cells, {2 * seeds} runs and {seeds} teachers in 6 training jobs"
    code, out, _ = run(capsys, "check", str(path), "--json")
    assert json.loads(out)["listed"] == [
        {
            "pair": "handwritten_spoken",
            "regime": "alone",
            "method": method,
            "runs": seeds,
            "jobs": 2,
            "variants": ["default"],
        }
        for method in ("ce", "label_smoothing")
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: 6\n", "ConfigError: seed: there is no such key; did you mean 'seeds'?"),
        ("cells: [{pairs: [handwritten_spoken], methods: [ce_mached]}]\n", "did you mean 'ce_matched'?"),
        ("seeds: [\n", "not YAML"),
    ],
)
def test_check_refuses_a_wrong_configuration_in_one_line(capsys, tmp_path, text, message):
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    code, out, err = run(capsys, "check", str(path))
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1


def test_show_prints_a_run(capsys, results):
    code, out, _ = run(capsys, "show", "a_b/paired/kd/default/seed6")
    assert code == 0
    assert out.startswith("a_b/paired/kd/default/seed6\n")
    for word in ("0.75", "weight", "student_forwards", "2026-01-01"):
        assert word in out


def test_show_prints_a_teacher_as_json(capsys, results):
    code, out, _ = run(capsys, "show", "a_b/full/teacher/default/seed3", "--json")
    assert code == 0
    assert json.loads(out) == record("a_b/full/teacher/default", 3)


@pytest.mark.parametrize(
    ("name", "runs"),
    [
        ("a_b/paired/kd/default", 7),
        ("results/runs/a_b/paired/kd/default", 7),
        ("results/runs/a_b/paired/kd/default/block1", 2),
        ("results/teachers/a_b/full", 5),
    ],
)
def test_show_prints_one_line_a_seed(capsys, results, name, runs):
    code, out, _ = run(capsys, "show", name)
    assert code == 0
    assert len(out.splitlines()) == 1 + runs


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("a_b/paired/kdd/default", "did you mean 'a_b/paired/kd/default'?"),
        ("a_b/paired/kd/default/seed7", "did you mean 'a_b/paired/kd/default/seed"),
        ("results/runs/nothing", "known: a_b/full/teacher/default, a_b/paired/kd/default"),
    ],
)
def test_show_refuses_an_unknown_run_and_names_the_nearest(capsys, results, name, suggestion):
    code, _, err = run(capsys, "show", name)
    assert code == 2
    assert suggestion in err


def test_show_says_so_when_nothing_ran_yet(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = run(capsys, "show", "a_b/paired/kd/default")
    assert code == 2
    assert "known: none" in err


def test_show_refuses_a_damaged_record(capsys, results):
    (results / "results/runs/a_b/paired/kd/default/block0/records.json").write_text("[{")
    code, _, err = run(capsys, "show", "a_b/paired/kd/default/seed0")
    assert code == 2
    assert "not JSON" in err


def test_ui_needs_something_published(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = run(capsys, "ui")
    assert code == 2
    assert "publish" in err


def test_ui_stays_on_loopback_unless_told_otherwise(monkeypatch):
    opened = []
    monkeypatch.setattr("ucmkd.tracking.ui.open_ui", lambda **asked: opened.append(asked) or sys.exit(0))
    for extra in ([], ["--host", "0.0.0.0", "--expose"]):
        with pytest.raises(SystemExit):
            cli.main(["ui", "--port", "5055", *extra])
    assert [(asked["host"], asked["port"], asked["expose"]) for asked in opened] == [
        ("127.0.0.1", 5055, False),
        ("0.0.0.0", 5055, True),
    ]


def test_publish_needs_a_finished_run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = run(capsys, "publish")
    assert code == 2
    assert "no finished run" in err


@pytest.mark.parametrize(("pending", "expected"), [((), 0), (("a_b/paired/kd/default/seed6",), 1)])
def test_publish_sends_every_block_and_says_what_is_pending(capsys, results, monkeypatch, pending, expected):
    from ucmkd.tracking import publish

    calls = []

    def instead(blocks: list, *places: str) -> publish.Published:
        calls.append((len(blocks), places[3]))
        return publish.Published(new=12, resumed=0, skipped=0, pending=pending)

    monkeypatch.setattr(publish, "publish", instead)
    code, out, _ = run(capsys, "publish", "--uri", "sqlite:///elsewhere.db")
    assert code == expected
    assert calls == [(3, "sqlite:///elsewhere.db")]
    assert out == f"12 new, 0 resumed, 0 there, {len(pending)} pending\n"


def test_publish_refuses_an_address_of_another_kind(capsys, results):
    code, _, err = run(capsys, "publish", "--uri", "postgresql://somewhere/runs")
    assert code == 2
    assert "neither sqlite" in err


def prepare_spec(kind, folder):
    return {
        "dataset": kind,
        "kind": kind,
        "settings": {},
        "stamp": "",
        "downloads": "downloads",
        "scratch": "scratch/code",
        "folder": str(folder),
    }


def test_a_job_that_is_refused_says_why_in_one_line(capsys):
    assert jobs.main(["prepare", json.dumps(prepare_spec("digits", "x"))]) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert "there is no 'digits'" in err


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_job_refuses_a_specification_that_is_no_object(capsys, text):
    assert jobs.main(["prepare", text]) == 2
    assert "specification" in capsys.readouterr().err


def test_a_job_reads_a_specification_from_standard_input(capsys, monkeypatch, tmp_path):
    spec = {"cells": ["a/b/c/d"], "teachers": [], "tuned": [], "bounded": [], "complementary": {},
            "piloted": [], "seeds": 1, "folder": str(tmp_path)}  # fmt: skip
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(spec)))
    assert jobs.main(["summarise", "-"]) == 1
    assert "RecordError: results/runs/a/b/c/d/block0/records.json: no such file" in capsys.readouterr().err


def test_a_job_that_cannot_write_says_so_and_leaves_nothing(capsys, tmp_path):
    (tmp_path / "blocked").write_text("a file where a folder should be")
    spec = prepare_spec("handwritten_digits", tmp_path / "blocked/inside")
    assert jobs.main(["prepare", json.dumps(spec)]) in (1, 2)
    assert "blocked" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["blocked"]


FULL_DISK = """
import resource, signal, sys
from ucmkd import jobs
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
jobs.VERBS["distill"] = lambda **spec: write(spec["folder"])
def write(folder):
    import torch
    from safetensors.torch import save_file
    from ucmkd.files import atomic_folder
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))
    with atomic_folder(folder) as temporary:
        save_file({"weights": torch.zeros(100_000)}, temporary / "model.safetensors")
sys.exit(jobs.main(["distill", sys.argv[1]]))
"""


def test_weights_that_do_not_fit_end_in_one_message(tmp_path):
    spec = json.dumps({"folder": str(tmp_path / "seed0")})
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, spec], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "StorageError" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
