"""Compare cells with baselines, paired by seed, on the test split."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from ucmkd.evaluation.baselines import BASELINES, EQUIVALENT, SIGN, baseline_cell
from ucmkd.evaluation.records import METRICS, Cell, Runs
from ucmkd.evaluation.scores import CELL, cell_columns, declared_columns
from ucmkd.evaluation.statistics import (
    Array,
    bca_intervals,
    detectable_effect,
    holm,
    resample_indices,
    signed_rank_p,
)

COLUMNS = (
    *CELL,
    "baseline",
    "metric",
    "n_seeds",
    "gain",
    "ci_low",
    "ci_high",
    "p_value",
    "p_adjusted",
    "win",
    "tie",
    "loss",
    "worst_gain",
    "negative_transfer_rate",
    "smallest_detectable_gain",
    "equivalent",
)


class Match(NamedTuple):
    """Numbers of a cell and of the cell it is compared with, under the name of the baseline."""

    cell: int
    baseline: str
    other: int


def comparisons_table(runs: Runs) -> pd.DataFrame:
    """Compare every cell with every baseline that exists for it.

    Columns
    -------
    gain : mean over seeds of the difference to the baseline of the same seed; positive is better, so
        for ``nll`` and ``ece`` it is the decrease. Fractions, or nats for ``nll``.
    ci_low, ci_high : 95 % BCa bootstrap over seeds, 10,000 resamples.
    p_value, p_adjusted : exact two-sided Wilcoxon signed-rank test over seeds; by Holm's method
        over all cells that are compared with the same baseline in the same metric.
    win, tie, loss : seeds whose gain is above, within and below the region of equivalence.
    worst_gain, negative_transfer_rate : least gain of a seed; share of seeds with a gain below 0.
    smallest_detectable_gain : what a paired t-test with as many seeds of the same spread would find with a
        power of 0.8 at a level of 0.05; empty where the seeds show no spread.
    equivalent : whether the whole interval lies in the region of equivalence.

    With fewer than two seeds what needs a spread is empty.
    """
    return _compared(runs, list(_baselines(list(runs.cells))))


def ablations_table(runs: Runs) -> pd.DataFrame:
    """Compare every variant with the default variant of its method, in the columns of the comparisons."""
    cells = list(runs.cells)
    changed = [cell for cell in cells if cell.variant != "default"]
    matches = _numbered(cells, ((cell, "default", cell._replace(variant="default")) for cell in changed))
    return _compared(runs, matches)


def _baselines(cells: list[Cell]) -> list[Match]:
    named = ((cell, baseline, baseline_cell(cell, baseline)) for cell in cells for baseline in BASELINES)
    return _numbered(cells, named)


def _numbered(cells: list[Cell], named: Iterable[tuple[Cell, str, Cell | None]]) -> list[Match]:
    numbers: dict[Cell | None, int] = {cell: number for number, cell in enumerate(cells)}
    return [Match(numbers[cell], name, numbers[other]) for cell, name, other in named if other in numbers]


def _compared(runs: Runs, matches: list[Match]) -> pd.DataFrame:
    cells = np.array([match.cell for match in matches], dtype=np.int64)
    others = np.array([match.other for match in matches], dtype=np.int64)
    rows = pd.DataFrame({"match": np.arange(len(matches)), "baseline": [match.baseline for match in matches]})
    tables = []
    for metric in METRICS:
        values = _by_seed(runs, metric)
        gains = SIGN[metric] * (values[cells] - values[others])
        tables.append(rows.assign(metric=metric, **_summarised(gains, EQUIVALENT[metric])))
    table = pd.concat(tables, ignore_index=True).sort_values("match", kind="stable", ignore_index=True)
    table = table[table.n_seeds > 0].reset_index(drop=True)
    family = table.groupby(["baseline", "metric"], sort=False).p_value
    table["p_adjusted"] = family.transform(lambda p_values: holm(p_values.to_numpy()))
    numbers = cells[table.pop("match")]
    columns = {**cell_columns(runs, numbers), **table}
    return pd.DataFrame({**{name: columns[name] for name in COLUMNS}, **declared_columns(runs, numbers)})


def _by_seed(runs: Runs, metric: str) -> Array:
    """Arrange the test scores as (cells, seeds); NaN where a cell has no such seed."""
    seeds, place = np.unique(np.array(runs.seed), return_inverse=True)
    values = np.full((len(runs.cells), len(seeds)), np.nan)
    values[np.array(runs.cell), place] = np.array(runs.scores["test", metric])
    return values


def _summarised(gains: Array, margin: float) -> dict[str, np.ndarray]:
    """Summarise gains (matches, seeds), each over the seeds that both sides have."""
    known = ~np.isnan(gains)
    counts = known.sum(axis=1)
    seeds = np.maximum(counts, 1)
    # In floating point 0.8 - 0.7 is not 0.9 - 0.8; ties and the edge of a tie need the decimals.
    decimal = np.round(gains, 12)
    columns = {
        "n_seeds": counts,
        "gain": np.where(known, gains, 0).sum(axis=1) / seeds,
        "win": (decimal > margin).sum(axis=1),
        "tie": (np.abs(decimal) <= margin).sum(axis=1),
        "loss": (decimal < -margin).sum(axis=1),
        "worst_gain": np.where(known, gains, np.inf).min(axis=1, initial=np.inf),
        "negative_transfer_rate": (decimal < 0).sum(axis=1) / seeds,
        **{name: np.full(len(gains), np.nan) for name in ("ci_low", "ci_high", "p_value")},
        "smallest_detectable_gain": np.full(len(gains), np.nan),
        "equivalent": np.full(len(gains), None, dtype=object),
    }
    for n in (int(n) for n in np.unique(counts) if n >= 2):
        rows = counts == n
        paired, ranked = (each[rows][known[rows]].reshape(-1, n) for each in (gains, decimal))
        low, high = bca_intervals(paired, resample_indices(n)).T
        columns["ci_low"][rows], columns["ci_high"][rows] = low, high
        columns["p_value"][rows] = signed_rank_p(ranked)
        spread = np.where(np.ptp(ranked, axis=1) > 0, paired.std(axis=1, ddof=1), np.nan)
        columns["smallest_detectable_gain"][rows] = detectable_effect(n) * spread
        columns["equivalent"][rows] = (low >= -margin) & (high <= margin)
    return columns
