import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.evaluation.synthetic import ALONE, grid, write_benchmark
from ucmkd.evaluation.across import across_table, ranks_table
from ucmkd.evaluation.baselines import SIGN
from ucmkd.evaluation.comparisons import comparisons_table
from ucmkd.evaluation.records import read_runs
from ucmkd.evaluation.scores import scores_table
from ucmkd.evaluation.statistics import mean_ranks

PAIRS = ("a_b", "b_a", "c_d")
REGIMES = ("class_cond", "disjoint_teacher")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    cells = grid(PAIRS, REGIMES, ["kd", "ucmkd_paper", "class_mean_soft"])
    cells.append(("a_b", "paired", "only_here", "default"))
    made = write_benchmark(tmp_path_factory.mktemp("across"), cells, seeds=3, epochs=1)
    return read_runs(made.runs, made.keys)


@pytest.fixture(scope="module")
def compared(runs):
    return comparisons_table(runs)


def row_of(table, **chosen):
    for name, value in chosen.items():
        table = table[table[name] == value]
    assert len(table) == 1
    return table.iloc[0]


def gains(compared, method, baseline):
    chosen = (compared.method == method) & (compared.baseline == baseline) & (compared.metric == "nll")
    return compared[chosen].gain.to_numpy()


def test_blocks_are_tested_on_means_over_seeds(compared):
    row = row_of(across_table(compared), method="kd", baseline="ce", metric="nll")
    of_blocks = gains(compared, "kd", "ce")
    assert row.n_blocks == 6
    assert row.p_value == pytest.approx(stats.wilcoxon(of_blocks, method="exact").pvalue)
    assert row.smallest_p == pytest.approx(1 / 32)
    assert row.median_gain == pytest.approx(np.median(of_blocks))


def test_methods_that_meet_no_teacher_have_one_block_a_pair(compared):
    assert row_of(across_table(compared), method="label_smoothing", baseline="ce", metric="nll").n_blocks == 3


def test_one_block_has_no_p_value(compared):
    row = row_of(across_table(compared), method="only_here", baseline="ce", metric="accuracy")
    assert row.n_blocks == 1
    assert row[["p_value", "smallest_p", "p_adjusted"]].isna().all()


def test_the_worst_seed_is_named_with_its_block(compared):
    row = row_of(across_table(compared), method="kd", baseline="ce", metric="accuracy")
    of_method = compared[
        (compared.method == "kd") & (compared.baseline == "ce") & (compared.metric == "accuracy")
    ]
    worst = of_method.loc[of_method.worst_gain.idxmin()]
    assert row[["worst_gain", "worst_pair", "worst_regime"]].tolist() == [
        worst.worst_gain,
        worst["pair"],
        worst.regime,
    ]


def test_holm_runs_over_the_methods_of_a_baseline(compared):
    table = across_table(compared)
    family = table[(table.baseline == "class_mean_soft") & (table.metric == "accuracy")]
    assert sorted(family.method) == ["kd", "ucmkd_paper"]
    assert family.p_adjusted.max() == pytest.approx(
        min(1, max(family.p_value.max(), 2 * family.p_value.min()))
    )


def test_ranks_need_six_blocks(tmp_path):
    made = write_benchmark(tmp_path, grid(["a_b"], REGIMES, ["kd"]), seeds=2, epochs=1)
    assert ranks_table(scores_table(read_runs(made.runs, made.keys))).empty


def test_ranks_cover_the_methods_that_stand_in_every_block(tmp_path):
    made = write_benchmark(tmp_path, grid(PAIRS, REGIMES, ["kd", "class_mean_soft"]), seeds=2, epochs=1)
    scores = scores_table(read_runs(made.runs, made.keys))
    table = ranks_table(scores)
    of_accuracy = table[table.metric == "accuracy"].set_index("method")
    means = scores[(scores.split == "test") & (scores.metric == "accuracy")]
    wide = pd.DataFrame(
        [
            {
                method: means[
                    (means.pair == pair) & (means.method == method) & means.regime.isin([regime, "alone"])
                ].value.mean()
                for method in of_accuracy.index
            }
            for pair in PAIRS
            for regime in REGIMES
        ]
    )
    assert of_accuracy.mean_rank.tolist() == pytest.approx(mean_ranks(wide.round(12).to_numpy()))
    assert of_accuracy.n_blocks.unique().tolist() == [6]
    expected = stats.friedmanchisquare(*wide.round(12).to_numpy().T).pvalue
    assert of_accuracy.friedman_p.iloc[0] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("methods_of_few", "n_blocks", "n_methods"),
    [(1, 6, 4), (2, 6, 4), (3, 8, 3), (4, 8, 4)],
    ids=["6 x 4 are more than 8 x 1", "6 x 4 are more than 8 x 2", "as many, so more blocks", "all alike"],
)
def test_blocks_with_few_methods_make_way_where_more_scores_are_ranked(methods_of_few, n_blocks, n_methods):
    metrics = SIGN.keys()
    rows = [
        (f"pair{block}", "class_cond", f"m{method}", "default", metric, "test", seed, block + method + seed)
        for block in range(8)
        for method in range(4 if block % 4 else methods_of_few)
        for metric in metrics
        for seed in range(2)
    ]
    columns = ["pair", "regime", "method", "variant", "metric", "split", "seed", "value"]
    table = ranks_table(pd.DataFrame(rows, columns=columns))
    assert set(table.n_blocks) == {n_blocks}
    assert set(table.n_methods) == {n_methods}


def test_ranks_take_each_student_once_where_labels_are_hidden(tmp_path):
    regimes = (*REGIMES, "unlabelled_student")
    made = write_benchmark(tmp_path, grid(PAIRS[:2], regimes, ["kd"]), seeds=2, epochs=1)
    table = ranks_table(scores_table(read_runs(made.runs, made.keys)))
    of_accuracy = table[table.metric == "accuracy"]
    assert of_accuracy.n_blocks.unique().tolist() == [6]
    assert sorted(of_accuracy.method) == sorted({"kd", *ALONE})
    assert of_accuracy.mean_rank.sum() == pytest.approx(6 * 7 / 2)
