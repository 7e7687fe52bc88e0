"""What of a record reaches MLflow, checked against the record itself."""

import json

import pytest

from tests.tracking.synthetic import make_history, make_record, write_block
from ucmkd.errors import DataError, RecordError
from ucmkd.tracking.entries import flatten, milliseconds, read_blocks, run_entry, summary_entry


def make_entry(**changes):
    record = make_record("image_audio", "class_cond", "kd", "default", 2, 4) | changes
    return run_entry(record, [row[1:] for row in make_history(2, 4)])


def test_nested_settings_become_dotted_names():
    nested = {"a": 1, "b": {"c": "text", "d": {"e": None, "f": [1, "x"]}}, "g": True, "h": {}}
    assert flatten(nested) == {"a": "1", "b.c": "text", "b.d.e": "null", "b.d.f": '[1, "x"]', "g": "true"}


def test_parameters_are_no_longer_than_mlflow_takes():
    assert len(flatten({"a": "x" * 10_000})["a"]) == 6000


def test_tags_tell_runs_apart():
    assert make_entry().tags == {
        "run_key": "image_audio/class_cond/kd/default/seed2",
        "pair": "image_audio",
        "regime": "class_cond",
        "method": "kd",
        "variant": "default",
        "seed": "2",
        "stage": "student",
        "control": "real",
    }


def test_curves_keep_their_epochs_and_values():
    points = {(p.metric, p.step): p.value for p in make_entry().points if p.step}
    assert points == {(metric, epoch): value for _, epoch, metric, value in make_history(2, 4)}


def test_final_scores_and_costs_have_one_value_each():
    final = {p.metric: p.value for p in make_entry().points if p.step == 0}
    assert final["test/accuracy"] == pytest.approx(0.70)
    assert final["best_val/accuracy"] == pytest.approx(0.72)
    assert final["cost/steps"] == 64
    assert final["best_epoch"] == 2


def test_times_lie_between_start_and_end_of_the_run():
    entry = make_entry(started="2026-03-01T10:00:00+00:00", finished="2026-03-01T10:00:40Z")
    assert (entry.started, entry.finished) == (1772359200000, 1772359240000)
    assert all(entry.started <= point.time <= entry.finished for point in entry.points)
    assert {p.time - entry.started for p in entry.points if p.metric == "rate"} == {
        10000,
        20000,
        30000,
        40000,
    }


def test_a_time_without_a_zone_is_utc():
    assert milliseconds("1970-01-01T00:00:01") == milliseconds("1970-01-01T01:00:01+01:00") == 1000


def test_values_that_are_not_finite_are_left_out():
    record = make_record("image_audio", "class_cond", "kd", "default", 0, 1)
    entry = run_entry(
        record, [(1, "loss/task", float("nan")), (1, "rate", float("inf")), (1, "val/nll", 2.0)]
    )
    assert [p.metric for p in entry.points if p.step] == ["val/nll"]


def test_the_digest_follows_record_and_history_and_nothing_else():
    record = make_record("image_audio", "class_cond", "kd", "default", 0, 1)
    curve = [(1, "loss/task", 0.5)]
    digest = run_entry(record, curve).digest
    assert run_entry(dict(reversed(record.items())), curve).digest == digest
    assert run_entry(record | {"best_epoch": 9}, curve).digest != digest
    assert run_entry(record, [(1, "loss/task", 0.25)]).digest != digest


def test_controls_and_fallbacks_are_explained():
    note = make_entry(control="shuffled", fallback="class_mean_soft").note
    assert "shuffled" in note
    assert "class_mean_soft" in note


def test_each_seed_gets_its_own_curve(tmp_path):
    records = [make_record("image_audio", "class_cond", "kd", "default", seed, 3) for seed in (5, 6)]
    entries = read_blocks([write_block(tmp_path, records, 3)])
    assert [entry.key[-5:] for entry in entries] == ["seed5", "seed6"]
    for seed, entry in zip((5, 6), entries, strict=True):
        curve = [(p.step, p.metric, p.value) for p in entry.points if p.step]
        assert curve == [row[1:] for row in make_history(seed, 3)]


def test_a_run_recorded_twice_is_refused(tmp_path):
    record = make_record("image_audio", "class_cond", "kd", "default", 0, 1)
    folders = [write_block(tmp_path / name, [record], 1) for name in "ab"]
    with pytest.raises(RecordError, match="seed0' is recorded twice"):
        read_blocks(folders)


def test_an_incomplete_record_is_named(tmp_path):
    record = make_record("image_audio", "class_cond", "kd", "default", 0, 1)
    del record["recipe"]
    with pytest.raises(RecordError, match=r"records\.json.*recipe"):
        read_blocks([write_block(tmp_path, [record], 1)])


@pytest.mark.parametrize("content", [None, "seed,epoch\n0,1\n", "seed,epoch,metric,value\n0,1,loss/task,\n"])
def test_a_damaged_history_is_named(tmp_path, content):
    record = make_record("image_audio", "class_cond", "kd", "default", 0, 1)
    path = write_block(tmp_path, [record], 1) / "history.csv"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(RecordError, match=r"history\.csv"):
        read_blocks([tmp_path])


def test_a_missing_records_file_is_named(tmp_path):
    (tmp_path / "history.csv").write_text("seed,epoch,metric,value\n")
    with pytest.raises(DataError, match=r"records\.json"):
        read_blocks([tmp_path])


def test_the_summary_carries_report_figures_and_tables(tmp_path):
    for name in ("scores.csv", "scores.png", "scores.svg", "notes.txt", "report.html"):
        (tmp_path / name).write_text(json.dumps(name))
    entry = summary_entry(tmp_path, tmp_path, tmp_path / "report.html", 1000)
    assert [(path.name, folder) for path, folder in entry.files] == [
        ("report.html", ""),
        ("scores.png", "figures"),
        ("scores.svg", "figures"),
        ("scores.csv", "tables"),
    ]
    (tmp_path / "scores.csv").write_text("changed")
    assert summary_entry(tmp_path, tmp_path, tmp_path / "report.html", 1000).digest != entry.digest


def test_without_results_there_is_no_summary(tmp_path):
    assert summary_entry(tmp_path / "a", tmp_path / "b", tmp_path / "c", 0) is None
