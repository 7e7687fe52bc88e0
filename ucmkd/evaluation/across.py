"""Compare methods over blocks, each a pair and a regime, on means over seeds."""

import numpy as np
import pandas as pd
from scipy.stats import friedmanchisquare

from ucmkd.data.regimes import alone_in, find_regime, is_alone
from ucmkd.evaluation.baselines import EQUIVALENT, SIGN
from ucmkd.evaluation.statistics import critical_difference, holm, mean_ranks, signed_rank_p, smallest_p

BLOCKS_FOR_RANKS = 6
"""With fewer blocks than this, ranks are not tested and no critical-difference diagram is drawn."""

_GROUP = ["method", "label", "baseline", "metric"]
_RANKS = ("metric", "method", "mean_rank", "n_blocks", "n_methods", "friedman_p", "critical_difference")


def across_table(comparisons: pd.DataFrame) -> pd.DataFrame:
    """Test each method's default variant against each baseline over all blocks in which both stand.

    Gains are never averaged over data sets: the table gives their median over blocks, how many blocks are
    won, tied and lost by the mean over seeds, and the worst single seed of any block. ``p_value`` is that of
    the exact two-sided Wilcoxon signed-rank test over blocks, ``smallest_p`` what it could be at best with so
    many, and ``p_adjusted`` is adjusted by Holm's method over the methods with the same baseline and metric.
    Regimes of one pair share their student data, so blocks are not independent and p-values are optimistic.

    Parameters
    ----------
    comparisons : DataFrame
        From ``comparisons_table``.
    """
    default = comparisons[comparisons.variant == "default"].reset_index(drop=True)
    decimal, margin = default.gain.round(12), default.metric.map(EQUIVALENT).astype(float)
    outcomes = {"win": decimal > margin, "tie": decimal.abs() <= margin, "loss": decimal < -margin}
    negative = default.negative_transfer_rate * default.n_seeds
    groups = default.assign(decimal=decimal, negative=negative, **outcomes).groupby(
        _GROUP, sort=False, observed=True
    )
    table = groups.agg(
        n_blocks=("gain", "size"),
        median_gain=("gain", "median"),
        **{outcome: (outcome, "sum") for outcome in outcomes},
        worst_gain=("worst_gain", "min"),
    )
    worst = default.loc[groups.worst_gain.idxmin(), ["pair", "regime"]]
    table["worst_pair"], table["worst_regime"] = worst["pair"].to_numpy(), worst["regime"].to_numpy()
    table["negative_transfer_rate"] = groups.negative.sum() / groups.n_seeds.sum()
    table["p_value"] = [signed_rank_p(gains.to_numpy()[None])[0] for _, gains in groups.decimal]
    table["smallest_p"] = table.n_blocks.map(smallest_p)
    table.loc[table.n_blocks < 2, ["p_value", "smallest_p"]] = np.nan
    table = table.reset_index()
    family = table.groupby(["baseline", "metric"], sort=False).p_value
    table["p_adjusted"] = family.transform(lambda p_values: holm(p_values.to_numpy()))
    return table


def ranks_table(scores: pd.DataFrame) -> pd.DataFrame:
    """Rank methods over blocks in which all of them stand, in each metric; empty with fewer than six blocks.

    Blocks with the fewest methods are left out as long as that leaves more scores to rank, since a method
    that runs with pairs alone cannot stand beside one that never does. Methods that meet no teacher have the
    same scores in every regime of a pair that shows all labels.
    ``friedman_p`` tests that all rank alike; ``critical_difference`` is Nemenyi's at a level of 0.05.

    Parameters
    ----------
    scores : DataFrame
        From ``scores_table``.
    """
    test = scores[(scores.split == "test") & (scores.variant == "default")]
    means = test.groupby(["pair", "regime", "method", "metric"], sort=False, observed=True).value.mean()
    rows = means.reset_index().astype(dict.fromkeys(means.index.names, object))
    by_itself = rows.regime.map(is_alone)
    taught, alone = rows[~by_itself], rows[by_itself]
    blocks = taught[["pair", "regime"]].drop_duplicates()
    if len(blocks) < BLOCKS_FOR_RANKS:
        return pd.DataFrame(columns=_RANKS)
    shared = blocks.assign(alone=[alone_in(find_regime(regime)).name for regime in blocks.regime])
    shown = alone.rename(columns={"regime": "alone"}).merge(shared, on=["pair", "alone"])
    everywhere = pd.concat([taught, shown.drop(columns="alone")])
    tables = []
    for metric, sign in SIGN.items():
        of_metric = everywhere[everywhere.metric == metric]
        wide = of_metric.pivot(index=["pair", "regime"], columns="method", values="value")
        tables.append(_ranked(metric, sign * _fullest(wide)))
    return pd.concat(tables, ignore_index=True)


def _fullest(scores: pd.DataFrame) -> pd.DataFrame:
    """Choose blocks, and the methods that stand in all of them, so that the table has the most scores."""
    by_methods = scores.loc[scores.notna().sum(axis=1).sort_values(ascending=False, kind="stable").index]
    in_all_so_far = np.logical_and.accumulate(by_methods.notna().to_numpy()).sum(axis=1)
    counts = range(len(scores), BLOCKS_FOR_RANKS - 1, -1)
    return by_methods[: max(counts, key=lambda count: count * in_all_so_far[count - 1])].dropna(axis=1)


def _ranked(metric: str, scores: pd.DataFrame) -> pd.DataFrame:
    """Rank methods by scores (blocks, methods), greater being better."""
    n_blocks, n_methods = scores.shape
    values = np.round(scores.to_numpy(), 12)
    table = pd.DataFrame({"metric": metric, "method": scores.columns, "mean_rank": mean_ranks(values)})
    tested = n_methods > 2 and bool((np.ptp(values, axis=1) > 0).any())
    return table.assign(
        n_blocks=n_blocks,
        n_methods=n_methods,
        friedman_p=friedmanchisquare(*values.T).pvalue if tested else np.nan,
        critical_difference=critical_difference(n_methods, n_blocks) if n_methods > 1 else np.nan,
    )[list(_RANKS)]
