import statistics

import numpy as np
import pandas as pd
import pytest

from tests.evaluation.synthetic import make_record, write_benchmark
from ucmkd.evaluation import scores
from ucmkd.evaluation.records import read_runs

CE, KD = ("a_b", "alone", "ce", "default"), ("a_b", "paired", "kd", "default")
ALONE_WITHOUT_CE = ("c_d", "alone", "label_smoothing", "default")
SEEDS = 6


@pytest.fixture
def runs(tmp_path):
    made = write_benchmark(tmp_path, [CE, KD, ALONE_WITHOUT_CE], SEEDS, epochs=2)
    return read_runs(made.runs, made.keys)


def only(table: pd.DataFrame, **chosen) -> pd.Series:
    for name, value in chosen.items():
        table = table[table[name] == value]
    assert len(table) == 1
    return table.iloc[0]


def test_scores_hold_one_number_a_row(runs):
    table = scores.scores_table(runs)
    assert list(table) == ["pair", "regime", "method", "variant", "seed", "split", "metric", "value"]
    assert len(table) == 3 * SEEDS * 2 * 4
    row = only(table, method="kd", seed=4, split="val", metric="ece")
    assert row.value == make_record(*KD, 4)["scores"]["val"]["ece"]


def test_step_ratio_is_the_median_over_seeds_of_the_ratio_to_ce(runs):
    seconds = [
        [make_record(*cell, seed)["costs"]["step_seconds"] for seed in range(SEEDS)] for cell in (KD, CE)
    ]
    expected = statistics.median(kd / ce for kd, ce in zip(*seconds, strict=True))
    assert only(scores.costs_table(runs), method="kd").step_ratio_to_ce == pytest.approx(expected)


def test_passes_count_the_whole_training(tmp_path):
    made = write_benchmark(tmp_path, [CE, ("a_b", "paired", "ucmkd_released", "default")], 2, epochs=2)
    row = only(scores.costs_table(read_runs(made.runs, made.keys)), method="ucmkd_released")
    assert row.passes_ratio_to_ce == pytest.approx((2.5 + 2) / 2)


def test_ratios_are_empty_without_ce_of_the_pair(runs):
    row = only(scores.costs_table(runs), pair="c_d")
    assert pd.isna(row.step_ratio_to_ce)
    assert pd.isna(row.passes_ratio_to_ce)


def test_costs_show_what_a_method_declares(runs):
    row = only(scores.costs_table(runs), method="kd")
    assert (row.label, row.needs_teacher, row.needs_correspondence) == ("KD", "logits", "instance")


def test_reliability_pools_the_samples_of_all_seeds(runs):
    table = scores.reliability_table(runs)
    points = [
        point
        for seed in range(SEEDS)
        for point in zip(*make_record(*KD, seed)["reliability"].values(), strict=True)
        if 8 / 15 < point[0] < 9 / 15
    ]
    confidence, accuracy, counts = np.array(points).T
    row = only(table[(table.bin_low > 0.53) & (table.bin_low < 0.54)], method="kd")
    assert row["count"] == counts.sum()
    assert row.accuracy == pytest.approx(np.average(accuracy, weights=counts))
    assert row.confidence == pytest.approx(np.average(confidence, weights=counts))


def test_teachers_stand_one_run_a_row(tmp_path):
    made = write_benchmark(tmp_path, [KD], seeds=3, epochs=2)
    table = scores.teachers_table(read_runs(made.teachers, read_runs(made.runs, made.keys).teachers))
    expected = make_record("a_b", "full", "teacher", "default", 2)
    row = only(table, pair="a_b", pool="full", seed=2)
    assert row.test_accuracy == expected["scores"]["test"]["accuracy"]
    assert row.best_epoch == expected["best_epoch"]


def test_the_environment_counts_runs_by_value(runs):
    table = scores.environment_table(runs)
    assert only(table, item="torch")[["value", "runs"]].tolist() == ["2.6.0", 3 * SEEDS]
