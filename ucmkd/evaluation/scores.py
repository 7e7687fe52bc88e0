"""Tables that say what was measured: scores, cost ledger, calibration, teachers, environment."""

import numpy as np
import pandas as pd

from ucmkd.evaluation.baselines import baseline_cell
from ucmkd.evaluation.metrics import BINS
from ucmkd.evaluation.records import COSTS, METRICS, SPLITS, Cell, Runs

CELL = list(Cell._fields)
DECLARED = {
    "label": "label",
    "teacher": "needs_teacher",
    "correspondence": "needs_correspondence",
    "student_labels": "needs_student_labels",
    "teacher_labels": "needs_teacher_labels",
    "fallback": "fallback",
}
"""Columns in which tables show the declarations, by the field that they come from."""

_MEDIANS = ("step_ratio_to_ce", "passes_ratio_to_ce", "step_seconds", "fit_seconds", "best_epoch")
_LEDGER = (
    "student_forwards",
    "student_backwards",
    "teacher_forwards",
    "teacher_backwards",
    "aux_parameters",
    "ot_iterations",
)


def cell_columns(runs: Runs, numbers: np.ndarray) -> dict[str, pd.Categorical]:
    """Spell out pair, regime, method and variant of the cells of these numbers."""
    names = np.array(list(runs.cells), dtype=object).reshape(-1, len(CELL))
    columns = {}
    for place, column in enumerate(CELL):
        known = pd.Index(dict.fromkeys(names[:, place]), dtype=object)
        columns[column] = pd.Categorical.from_codes(known.get_indexer(names[:, place])[numbers], known)
    return columns


def declared_columns(runs: Runs, numbers: np.ndarray) -> dict[str, pd.Categorical]:
    """Spell out what the cells of these numbers declare."""
    columns = {}
    for field, column in DECLARED.items():
        values = [getattr(runs.declared[cell], field) for cell in range(len(runs.cells))]
        known = pd.Index(dict.fromkeys(values), dtype=object)
        columns[column] = pd.Categorical.from_codes(known.get_indexer(values)[numbers], known)
    return columns


def scores_table(runs: Runs) -> pd.DataFrame:
    """List every score, one number a row."""
    each = np.repeat(np.arange(len(runs)), len(runs.scores))
    splits, metrics = zip(*runs.scores, strict=True)
    return pd.DataFrame(
        {
            **cell_columns(runs, np.array(runs.cell)[each]),
            "seed": np.array(runs.seed)[each],
            "split": pd.Categorical(splits * len(runs), SPLITS),
            "metric": pd.Categorical(metrics * len(runs), METRICS),
            "value": np.stack([np.array(column) for column in runs.scores.values()], axis=1).ravel(),
        }
    )


def costs_table(runs: Runs) -> pd.DataFrame:
    """List the cost ledger and the declarations, one cell a row.

    Passes and iterations are per step, means over seeds; seconds are medians. ``step_ratio_to_ce`` is the
    median over seeds of the step's duration over that of ``ce`` of the same pair and seed, and
    ``passes_ratio_to_ce`` the same for all student passes of the training, forward and backward. Both are
    empty where the pair has no ``ce``.
    """
    ledger = pd.DataFrame({name: np.array(column) for name, column in runs.costs.items()})
    ledger["passes"] = ledger.steps * (ledger.student_forwards + ledger.student_backwards)
    ledger["cell"], ledger["seed"] = np.array(runs.cell), np.array(runs.seed)
    ledger["best_epoch"] = np.array(runs.best_epoch)
    alone = ledger.merge(_ce_of_each_cell(runs), on="cell", how="left").merge(
        ledger[["cell", "seed", "step_seconds", "passes"]],
        left_on=["ce", "seed"],
        right_on=["cell", "seed"],
        how="left",
        suffixes=("", "_ce"),
    )
    for ratio, of in (("step_ratio_to_ce", "step_seconds"), ("passes_ratio_to_ce", "passes")):
        ledger[ratio] = (alone[of] / alone[f"{of}_ce"].where(alone[f"{of}_ce"] > 0)).to_numpy()
    cells = ledger.groupby("cell")
    medians = cells[
        ["step_ratio_to_ce", "passes_ratio_to_ce", "step_seconds", "fit_seconds", "best_epoch"]
    ].median()
    means = cells[[name for name in COSTS if not name.endswith("_seconds")]].mean()
    numbers = means.index.to_numpy()
    return pd.DataFrame(
        {
            **cell_columns(runs, numbers),
            **means[list(_LEDGER)],
            **medians,
            "steps": means.steps,
            "parameters": means.parameters,
            "n_seeds": cells.size(),
            **declared_columns(runs, numbers),
        }
    )


def _ce_of_each_cell(runs: Runs) -> pd.DataFrame:
    ce = [runs.cells.get(baseline_cell(cell, "ce") or cell, -1) for cell in runs.cells]
    return pd.DataFrame({"cell": list(runs.cells.values()), "ce": ce})


def reliability_table(*of: Runs) -> pd.DataFrame:
    """List confidence and accuracy of each bin of confidence on the test split, over samples of all seeds."""
    return pd.concat([_reliability(runs) for runs in of], ignore_index=True)


def _reliability(runs: Runs) -> pd.DataFrame:
    cells, confidence, accuracy, samples = map(np.asarray, runs.bins)
    number = np.clip(np.ceil(confidence * BINS - 1e-9), 1, BINS) - 1
    bins, which = np.unique(cells * BINS + number.astype(np.int64), return_inverse=True)
    count = np.bincount(which, samples)
    numbers, lows = np.divmod(bins, BINS)
    table = pd.DataFrame(
        {
            **cell_columns(runs, numbers),
            "bin_low": lows / BINS,
            "bin_high": (lows + 1) / BINS,
            "confidence": np.bincount(which, samples * confidence) / count,
            "accuracy": np.bincount(which, samples * accuracy) / count,
            "count": count.astype(np.int64),
            "n_seeds": np.bincount(which),
        }
    )
    return table.astype(dict.fromkeys(CELL, object))


def teachers_table(teachers: Runs) -> pd.DataFrame:
    """List the teachers, one run a row; ``pool`` says what they were trained on."""
    names = cell_columns(teachers, np.array(teachers.cell))
    table = pd.DataFrame({"pair": names["pair"], "pool": names["regime"], "seed": np.array(teachers.seed)})
    table["best_epoch"] = np.array(teachers.best_epoch)
    for (split, metric), column in teachers.scores.items():
        table[f"{split}_{metric}"] = np.array(column)
    table["parameters"] = np.array(teachers.costs["parameters"]).astype(np.int64)
    table["fit_seconds"] = np.array(teachers.costs["fit_seconds"])
    return table.sort_values(["pair", "pool", "seed"], ignore_index=True)


def environment_table(runs: Runs) -> pd.DataFrame:
    """List versions and devices with the number of runs that name them: more than one value is a warning."""
    counted = sorted(runs.environment.items())
    return pd.DataFrame(
        [(item, value, count) for (item, value), count in counted], columns=["item", "value", "runs"]
    )
