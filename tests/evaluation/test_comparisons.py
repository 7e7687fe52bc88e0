import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.evaluation.synthetic import make_record, write_benchmark
from ucmkd.evaluation.comparisons import COLUMNS, ablations_table, comparisons_table
from ucmkd.evaluation.records import read_runs

CE = ("a_b", "alone", "ce", "default")
RECIPE = ("a_b", "alone", "ce_teacher_recipe", "default")
SOFT = ("a_b", "paired", "class_mean_soft", "default")
KD = ("a_b", "paired", "kd", "default")
KD_SHUFFLED = ("a_b", "paired", "kd", "shuffled_teacher")
KD_SHARP = ("a_b", "paired", "kd", "sharp")
KD_ELSEWHERE = ("a_b", "class_cond", "kd", "default")
SEEDS = 6


def runs_of(folder, cells, seeds=SEEDS, scores=None):
    """Write cells and read them; ``scores`` sets the test scores of a cell, by metric and seed."""
    made = write_benchmark(folder, cells, seeds, epochs=1)
    for cell, metrics in (scores or {}).items():
        for path in folder.joinpath("runs", *cell).glob("*/records.json"):
            records = json.loads(path.read_text())
            for record in records:
                values = {metric: by_seed[record["seed"]] for metric, by_seed in metrics.items()}
                record["scores"]["test"].update(values)
            path.write_text(json.dumps(records))
    return read_runs(made.runs, made.keys)


def one(table, cell, baseline, metric="accuracy"):
    names = dict(zip(["pair", "regime", "method", "variant"], cell, strict=True))
    for name, value in {**names, "baseline": baseline, "metric": metric}.items():
        table = table[table[name] == value]
    assert len(table) == 1
    return table.iloc[0]


def baselines_of(table, cell):
    names = dict(zip(["pair", "regime", "method", "variant"], cell, strict=True))
    for name, value in names.items():
        table = table[table[name] == value]
    return set(table.baseline)


def made_scores(cell, metric):
    return np.array([make_record(*cell, seed)["scores"]["test"][metric] for seed in range(SEEDS)])


@pytest.fixture
def compared(tmp_path):
    cells = [CE, RECIPE, SOFT, KD, KD_SHUFFLED, KD_SHARP, KD_ELSEWHERE]
    return comparisons_table(runs_of(tmp_path, cells))


def test_columns_come_in_the_promised_order(compared):
    names = "pair regime method variant baseline metric n_seeds gain ci_low ci_high p_value p_adjusted"
    promised = [*names.split(), "win", "tie", "loss", "worst_gain", "negative_transfer_rate"]
    assert list(compared)[: len(promised)] == promised
    assert list(COLUMNS[: len(promised)]) == promised


def test_a_cell_meets_every_baseline_that_exists_for_it(compared):
    assert baselines_of(compared, KD) == {"ce", "ce_teacher_recipe", "class_mean_soft", "shuffled_teacher"}


def test_class_means_count_in_their_own_regime_only(compared):
    assert baselines_of(compared, KD_ELSEWHERE) == {"ce", "ce_teacher_recipe"}


def test_where_labels_are_hidden_baselines_are_those_that_see_as_few(tmp_path):
    hidden = "unlabelled_student"
    few = [("a_b", hidden, method, "default") for method in ("ce", "kd")]
    table = comparisons_table(runs_of(tmp_path, [CE, RECIPE, *few]))
    assert baselines_of(table, few[1]) == {"ce"}
    expected = np.mean(made_scores(few[1], "nll") - made_scores(few[0], "nll"))
    assert one(table, few[1], "ce", "nll").gain == pytest.approx(-expected)


def test_a_changed_variant_is_not_compared_with_the_shuffled_default(compared):
    assert baselines_of(compared, KD_SHARP) == {"ce", "ce_teacher_recipe", "class_mean_soft"}


def test_a_baseline_is_not_compared_with_itself(compared):
    assert baselines_of(compared, CE) == {"ce_teacher_recipe"}


@pytest.mark.parametrize(("metric", "sign"), [("accuracy", 1), ("macro_f1", 1), ("nll", -1), ("ece", -1)])
def test_gain_is_the_mean_difference_of_equal_seeds_and_positive_if_better(compared, metric, sign):
    tests = [
        [make_record(*cell, seed)["scores"]["test"][metric] for seed in range(SEEDS)] for cell in (KD, CE)
    ]
    differences = sign * (np.array(tests[0]) - np.array(tests[1]))
    row = one(compared, KD, "ce", metric)
    assert row.gain == pytest.approx(differences.mean())
    assert row.worst_gain == pytest.approx(differences.min())
    assert row.negative_transfer_rate == pytest.approx(np.mean(differences < 0))
    assert row.n_seeds == SEEDS
    assert row.ci_low <= row.gain <= row.ci_high


def test_p_values_are_exact_signed_rank_tests(compared):
    tests = [
        [make_record(*cell, seed)["scores"]["test"]["nll"] for seed in range(SEEDS)] for cell in (KD, CE)
    ]
    expected = stats.wilcoxon(*tests, method="exact").pvalue
    assert one(compared, KD, "ce", "nll").p_value == pytest.approx(expected)


def test_p_values_are_adjusted_within_baseline_and_metric(compared):
    family = compared[(compared.baseline == "ce") & (compared.metric == "nll")]
    assert len(family) == 6
    least = family.p_value.idxmin()
    assert family.p_adjusted[least] == pytest.approx(min(1, 6 * family.p_value[least]))


def test_seeds_within_half_a_point_are_ties(tmp_path):
    reference = [0.8] * 6
    method = [0.805, 0.795, 0.8, 0.806, 0.794, 0.9]
    runs = runs_of(tmp_path, [CE, KD], scores={CE: {"accuracy": reference}, KD: {"accuracy": method}})
    row = one(comparisons_table(runs), KD, "ce")
    assert (row.win, row.tie, row.loss) == (2, 3, 1)
    assert row.negative_transfer_rate == pytest.approx(2 / 6)


def test_equal_differences_collapse_the_interval_and_detect_nothing(tmp_path):
    reference = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    method = [value + 0.1 for value in reference]
    runs = runs_of(tmp_path, [CE, KD], scores={CE: {"accuracy": reference}, KD: {"accuracy": method}})
    row = one(comparisons_table(runs), KD, "ce")
    assert (row.ci_low, row.ci_high) == pytest.approx((0.1, 0.1))
    assert row.p_value == 2 / 2**6
    assert pd.isna(row.smallest_detectable_gain)
    assert not row.equivalent


def test_identical_scores_are_equivalent_and_never_significant(tmp_path):
    same = {"accuracy": [0.8] * 6}
    row = one(comparisons_table(runs_of(tmp_path, [CE, KD], scores={CE: same, KD: same})), KD, "ce")
    assert (row.gain, row.ci_low, row.ci_high, row.p_value) == (0, 0, 0, 1)
    assert row.equivalent


def test_one_seed_gives_a_gain_and_nothing_that_needs_a_spread(tmp_path):
    row = one(comparisons_table(runs_of(tmp_path, [CE, KD], seeds=1)), KD, "ce")
    assert not pd.isna(row.gain)
    empty = ["ci_low", "ci_high", "p_value", "p_adjusted", "smallest_detectable_gain", "equivalent"]
    assert row[empty].isna().all()


def test_smallest_detectable_gain_scales_with_the_spread(tmp_path):
    zero = {"accuracy": [0.5] * 6}
    narrow, wide = ({"accuracy": [0.5 + size * k for k in range(6)]} for size in (0.01, 0.02))
    runs = runs_of(tmp_path, [CE, KD, SOFT], scores={CE: zero, KD: narrow, SOFT: wide})
    table = comparisons_table(runs)
    ratio = one(table, SOFT, "ce").smallest_detectable_gain / one(table, KD, "ce").smallest_detectable_gain
    assert ratio == pytest.approx(2)


def test_without_any_baseline_the_table_is_empty_and_keeps_its_columns(tmp_path):
    table = comparisons_table(runs_of(tmp_path, [KD]))
    assert table.empty
    assert list(table)[: len(COLUMNS)] == list(COLUMNS)


def test_ablations_compare_variants_with_the_default_of_their_method(tmp_path):
    runs = runs_of(tmp_path, [CE, KD, KD_SHARP, KD_SHUFFLED])
    table = ablations_table(runs)
    assert set(table.variant) == {"sharp", "shuffled_teacher"}
    tests = [
        [make_record(*cell, seed)["scores"]["test"]["nll"] for seed in range(SEEDS)]
        for cell in (KD_SHARP, KD)
    ]
    expected = np.mean(np.array(tests[1]) - np.array(tests[0]))
    assert one(table, KD_SHARP, "default", "nll").gain == pytest.approx(expected)
