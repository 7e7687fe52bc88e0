import json
import math

import pytest

from tests.evaluation.synthetic import Benchmark, make_record, run_key, write_benchmark, write_block
from ucmkd.errors import RecordError
from ucmkd.evaluation.records import read_runs

CE, KD = ("a_b", "alone", "ce", "default"), ("a_b", "paired", "kd", "default")


@pytest.fixture
def made(tmp_path) -> Benchmark:
    return write_benchmark(tmp_path, [CE, KD], seeds=7, epochs=2)


def change(folder, edit):
    """Edit the records of a block in place."""
    path = folder / "records.json"
    records = json.loads(path.read_text())
    edit(records)
    path.write_text(json.dumps(records))


def test_runs_stand_in_the_order_in_which_they_are_expected(made):
    runs = read_runs(made.runs, reversed(made.keys))
    assert list(runs.seed) == [6, 5, 4, 3, 2, 1, 0] * 2
    assert runs.keys[0] == run_key(*KD, 6)


def test_scores_and_costs_are_those_of_the_record(made):
    runs = read_runs(made.runs, made.keys)
    expected = make_record(*KD, 3)
    place = runs.keys.index(run_key(*KD, 3))
    assert runs.scores["test", "nll"][place] == expected["scores"]["test"]["nll"]
    assert runs.costs["step_seconds"][place] == expected["costs"]["step_seconds"]
    assert runs.best_epoch[place] == expected["best_epoch"]


def test_the_order_of_folders_does_not_matter(made):
    forward, backward = read_runs(made.runs, made.keys), read_runs(made.runs[::-1], made.keys)
    assert forward.scores == backward.scores
    assert forward.seed == backward.seed


def test_declarations_are_kept_once_a_cell(made):
    runs = read_runs(made.runs, made.keys)
    assert [runs.declared[number].teacher for number in runs.cells.values()] == ["", "logits"]


def test_teachers_of_the_runs_are_named(made):
    runs = read_runs(made.runs, made.keys)
    assert list(runs.teachers) == [run_key("a_b", "full", "teacher", "default", seed) for seed in range(7)]


def test_a_missing_run_is_refused_by_name(made):
    change(made.runs[1], lambda records: records.pop(2))
    with pytest.raises(
        RecordError, match=r"1 of 14 expected runs .*a_b/paired/kd/default/seed2; run the benchmark"
    ):
        read_runs(made.runs, made.keys)


def test_a_missing_block_is_refused(made):
    (made.runs[0] / "records.json").unlink()
    with pytest.raises(RecordError, match=r"records\.json: no such file; run"):
        read_runs(made.runs, made.keys)


def test_two_records_of_one_run_are_refused_with_both_places(made, tmp_path):
    write_block(tmp_path / "copy", [make_record(*CE, 0)], epochs=2)
    with pytest.raises(
        RecordError, match=r"a_b/alone/ce/default/seed0 has two records, in .*block0 and in .*copy"
    ):
        read_runs([*made.runs, tmp_path / "copy"], made.keys)


def test_runs_that_nobody_expects_are_left_out(made):
    runs = read_runs(made.runs, [key for key in made.keys if not key.endswith("seed1")])
    assert 1 not in runs.seed
    assert all(1 not in block.seeds for block in runs.blocks)


def test_an_expected_key_that_is_named_twice_is_one_run(made):
    assert len(read_runs(made.runs, made.keys + made.keys)) == len(made.keys)


@pytest.mark.parametrize("text", ["[{", "{}", "", "[1]", '[{"pair": "a_b"}]'])
def test_a_damaged_file_is_refused_with_the_remedy(made, text):
    (made.runs[0] / "records.json").write_text(text)
    with pytest.raises(RecordError, match=r"damaged .*; delete .*block0 and run again"):
        read_runs(made.runs, made.keys)


def test_a_record_under_a_false_name_is_refused(made):
    change(made.runs[0], lambda records: records[0].update(run_key="x/y/z/w/seed0"))
    with pytest.raises(RecordError, match="claims to be x/y/z/w/seed0"):
        read_runs(made.runs, made.keys)


@pytest.mark.parametrize(
    "edit",
    [
        lambda record: record["scores"].pop("test"),
        lambda record: record["costs"].pop("step_seconds"),
        lambda record: record["costs"].update(steps="many"),
        lambda record: record.pop("needs"),
        lambda record: record.update(reliability=None),
        lambda record: record["reliability"]["accuracy"].pop(),
        lambda record: record.update(teacher={}),
    ],
)
def test_a_record_that_lacks_or_spoils_a_field_is_refused(made, edit):
    change(made.runs[1], lambda records: edit(records[0]))
    with pytest.raises(RecordError, match=r"a_b/paired/kd/default/seed0"):
        read_runs(made.runs, made.keys)


@pytest.mark.parametrize("number", [math.nan, math.inf])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda record, number: record["scores"]["val"].update(accuracy=number),
        lambda record, number: record["costs"].update(fit_seconds=number),
        lambda record, number: record["reliability"]["confidence"].__setitem__(0, number),
    ],
)
def test_a_record_with_a_number_that_is_not_finite_is_refused(made, spoil, number):
    change(made.runs[1], lambda records: spoil(records[0], number))
    with pytest.raises(RecordError, match=r"damaged \(not JSON.*run again"):
        read_runs(made.runs, made.keys)


def test_the_untrained_teacher_of_a_control_need_not_have_a_record(tmp_path):
    cell = ("a_b", "paired", "kd", "random_teacher")
    made = write_benchmark(tmp_path, [cell], seeds=2, epochs=2)
    assert not read_runs(made.runs, made.keys).teachers
