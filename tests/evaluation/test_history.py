import numpy as np
import pytest

from tests.evaluation.synthetic import make_history, make_record, write_benchmark
from ucmkd.errors import RecordError
from ucmkd.evaluation import history
from ucmkd.evaluation.history import history_table
from ucmkd.evaluation.records import read_runs

CE, KD = ("a_b", "alone", "ce", "default"), ("a_b", "paired", "kd", "default")
SEEDS = 7


@pytest.fixture
def made(tmp_path):
    return write_benchmark(tmp_path, [CE, KD], SEEDS, epochs=4)


def test_curves_are_aggregated_over_the_seeds_of_all_blocks(made):
    table = history_table(read_runs(made.runs, made.keys))
    curves = [make_history(make_record(*KD, seed), 4) for seed in range(SEEDS)]
    values = np.array([row[3] for rows in curves for row in rows if row[1:3] == (3, "loss/transport")])
    row = table[(table.method == "kd") & (table.epoch == 3) & (table.metric == "loss/transport")].iloc[0]
    assert row.n_seeds == SEEDS
    assert row["mean"] == pytest.approx(values.mean())
    assert row.sd == pytest.approx(values.std(ddof=1))
    assert (row.low, row.high) == pytest.approx((values.min(), values.max()))


def test_students_and_teachers_stand_in_one_table(made):
    students = read_runs(made.runs, made.keys)
    table = history_table(students, read_runs(made.teachers, students.teachers))
    assert list(dict.fromkeys(table.method)) == ["ce", "kd", "teacher"]


def test_batches_do_not_change_the_table(made, monkeypatch):
    runs = read_runs(made.runs, made.keys)
    whole = history_table(runs)
    monkeypatch.setattr(history, "_BLOCKS_AT_ONCE", 1)
    assert history_table(runs).equals(whole)


def test_seeds_that_nobody_expects_are_left_out(made):
    keys = [key for key in made.keys if not key.endswith("seed6")]
    assert history_table(read_runs(made.runs, keys)).n_seeds.max() == SEEDS - 1


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("seed,epoch,value\n0,1,2\n", "expected the header"),
        ("seed,epoch,metric,value\n0,1,loss/task,0.5", "whole lines"),
        ("seed,epoch,metric,value\n0,1,loss/task,many\n", "damaged"),
        ("seed,epoch,metric,value\n0,1,loss/task,0.5\n\n1,1,loss/task,0.5\n", "damaged"),
        ("seed,epoch,metric,value\n0,1,loss/task,0.5\n", "nothing of seed 1"),
    ],
)
def test_a_damaged_history_is_refused_by_name(made, text, why):
    runs = read_runs(made.runs, made.keys)
    (made.runs[0] / "history.csv").write_text(text)
    with pytest.raises(RecordError, match=rf"block0/history\.csv: .*{why}.*run again"):
        history_table(runs)


def test_a_missing_history_is_refused(made):
    runs = read_runs(made.runs, made.keys)
    (made.runs[2] / "history.csv").unlink()
    with pytest.raises(RecordError, match=r"block1/history\.csv: no such file"):
        history_table(runs)
