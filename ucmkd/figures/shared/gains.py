"""Gains in test accuracy, in points, for every seed and for cells."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from ucmkd.evaluation.baselines import REFERENCE, baseline_cell
from ucmkd.evaluation.records import Cell
from ucmkd.evaluation.tables import Tables

NO_REFERENCE = f"No method was compared with {REFERENCE}: add it to the cells of the configuration."


def reference_gains(tables: Tables) -> pd.DataFrame:
    """Select the gains in accuracy over the reference baseline, in points."""
    comparisons = tables["comparisons"]
    chosen = comparisons[(comparisons.baseline == REFERENCE) & (comparisons.metric == "accuracy")]
    return _in_points(chosen)


def ablation_gains(tables: Tables) -> pd.DataFrame:
    """Select the gains in accuracy of variants over the default of their method, in points."""
    ablations = tables["ablations"]
    return _in_points(ablations[ablations.metric == "accuracy"])


def _in_points(table: pd.DataFrame) -> pd.DataFrame:
    fractions = ["gain", "ci_low", "ci_high", "worst_gain", "smallest_detectable_gain"]
    return table.assign(**{name: 100 * table[name].astype(float) for name in fractions})


def usual_range(gains: Iterable[float]) -> float:
    """Give the size, in points, beyond which a mean gain would hide all others on a common scale."""
    return 5 * max(1.0, float(np.quantile(np.abs(list(gains)), 0.75)))


def each(table: pd.DataFrame) -> Iterator[Any]:
    """Give the rows of a table, with its columns as attributes."""
    yield from table.itertuples(index=False)


class SeedGains:
    """Gains in test accuracy of single seeds, in points."""

    def __init__(self, tables: Tables) -> None:
        scores = tables["scores"]
        test = scores[(scores.split == "test") & (scores.metric == "accuracy")]
        groups = test.groupby(["pair", "regime", "method", "variant"], sort=False)
        self._scores = {Cell(*map(str, key)): 100 * rows.set_index("seed").value for key, rows in groups}

    def over_reference(self, row: Any) -> pd.Series:
        """Give the gains of a table row's cell over the reference baseline, by seed."""
        cell = _cell(row)
        return self._difference(cell, baseline_cell(cell, REFERENCE) or cell)

    def over_default(self, row: Any) -> pd.Series:
        """Give the gains of a table row's cell over the default variant of its method, by seed."""
        cell = _cell(row)
        return self._difference(cell, cell._replace(variant="default"))

    def _difference(self, cell: Cell, other: Cell) -> pd.Series:
        return (self._scores[cell] - self._scores[other]).dropna()


def _cell(row: Any) -> Cell:
    return Cell(row.pair, row.regime, row.method, row.variant)
