import pytest

from tests.evaluation.synthetic import default_cells, write_benchmark
from ucmkd import evaluation
from ucmkd.errors import RecordError
from ucmkd.evaluation.summarise import summarise
from ucmkd.evaluation.tables import read_tables, regimes_by_pair


def test_every_table_is_written_and_nothing_else(summary_folder):
    assert sorted(path.name for path in summary_folder.iterdir()) == sorted(
        f"{name}.csv" for name in evaluation.TABLES
    )


def test_scores_are_read_back_to_the_last_bit(tables, benchmark_on_disk):
    from ucmkd.evaluation.records import read_runs

    runs = read_runs(benchmark_on_disk.runs, benchmark_on_disk.keys)
    scores = tables["scores"]
    stored = scores[(scores.split == "test") & (scores.metric == "nll")].value
    assert stored.tolist() == list(runs.scores["test", "nll"])


def test_the_same_records_give_the_same_bytes(benchmark_on_disk, summary_folder, tmp_path):
    made = benchmark_on_disk
    summarise(made.runs, made.teachers, made.keys, tmp_path)
    for name in evaluation.TABLES:
        assert (tmp_path / f"{name}.csv").read_bytes() == (summary_folder / f"{name}.csv").read_bytes()


def test_names_like_none_are_kept_as_names(tables):
    assert set(tables["costs"].needs_correspondence) == {"none", "instance"}


def test_a_run_whose_teacher_left_no_record_is_refused(tmp_path):
    made = write_benchmark(tmp_path, [("a_b", "paired", "kd", "default")], seeds=2, epochs=1)
    with pytest.raises(RecordError, match="a_b/full/teacher/default/seed0"):
        summarise(made.runs, [], made.keys, tmp_path / "summary")
    assert not (tmp_path / "summary").exists()


def test_a_missing_table_is_named_with_the_remedy(tmp_path):
    with pytest.raises(RecordError, match=r"scores\.csv: no such table; run"):
        read_tables(tmp_path)


def test_regimes_come_in_the_order_of_the_runs(tables):
    regimes = regimes_by_pair(tables)
    assert list(regimes) == list(dict.fromkeys(pair for pair, *_ in default_cells()))
    assert regimes["handwritten_profiles"] == ["paired", "class_cond", "disjoint_teacher"]
