"""The tables of the report."""

import json
from typing import Any

import pandas as pd

from ucmkd.evaluation.baselines import BASELINES, REFERENCE
from ucmkd.evaluation.tables import Tables
from ucmkd.report.grid import (
    NONE,
    Column,
    Field,
    Grid,
    each,
    gain,
    name,
    number,
    p_value,
    signed_number,
    spread,
    yes,
)

CELL = ["pair", "regime", "method", "variant"]
_WHERE = [Column("Pair"), Column("Regime"), Column("Method"), Column("Variant")]
_NEEDS = [
    Column("Teacher gives", "What the distillation term takes from the teacher"),
    Column("Also needs", "What a teacher row and the student row beside it must share, and labels it reads"),
]


def comparisons(tables: Tables) -> Grid:
    """List every cell with its accuracy, its gain over the reference, and what it needs."""
    grid = Grid(
        [
            *_WHERE,
            Column("Accuracy", "Test accuracy in percent, mean ± standard deviation over seeds"),
            Column("Gain", f"Over {REFERENCE}, in points, with its 95 % BCa bootstrap interval over seeds"),
            *_NEEDS,
            Column("p", "Exact Wilcoxon signed-rank test over seeds"),
            Column("p adj.", "By Holm's method over all cells of this table"),
            Column("W / T / L", "Seeds won, tied within half a point, lost"),
            Column("Worst", "Gain of the worst seed, in points"),
            Column("< 0", "Share of seeds with a gain below zero, in percent"),
            Column("Detectable", "Gain found with a power of 0.8 by as many seeds of this spread, in points"),
            Column("Equivalent", "Whether the whole interval lies within half a point of zero"),
        ]
    )
    compared = {_cell(row): row for row in each(_over_reference(tables, "accuracy"))}
    scores = _test_scores(tables, "accuracy")
    for row in each(tables["costs"]):
        accuracy = spread(scores[_cell(row)], scale=100)
        gained, *rest = _compared(compared.get(_cell(row)))
        grid.rows.append([*_where(row), accuracy, gained, *_needs(row), *rest])
    return grid


def _compared(row: Any) -> list[Field]:
    if row is None:
        return [Field(NONE, -1e300)] * 8
    return [
        gain(row),
        p_value(row.p_value),
        p_value(row.p_adjusted),
        Field(f"{row.win} / {row.tie} / {row.loss}", row.win - row.loss),
        signed_number(row.worst_gain),
        number(row.negative_transfer_rate, 0, 100),
        number(row.smallest_detectable_gain, 1, 100),
        yes(row.equivalent),
    ]


def baselines(tables: Tables) -> Grid:
    """List the gain in accuracy of every cell over every baseline."""
    comparisons = tables["comparisons"]
    of_accuracy = comparisons[comparisons.metric == "accuracy"]
    shown = [baseline for baseline in BASELINES if baseline in set(of_accuracy.baseline)]
    grid = Grid([*_WHERE, *(Column(baseline) for baseline in shown)])
    for _, rows in of_accuracy.groupby(CELL, sort=False):
        gains = {row.baseline: gain(row) for row in each(rows)}
        first = next(each(rows))
        grid.rows.append([*_where(first), *(gains.get(baseline, Field(NONE, -1e300)) for baseline in shown)])
    return grid


def other_metrics(tables: Tables) -> Grid:
    """List scores and gains over the reference in the metrics beside accuracy."""
    metrics = {"macro_f1": ("Macro F1", 100.0), "nll": ("NLL", 1.0), "ece": ("ECE", 100.0)}
    columns = [Column(f"{title}{kind}") for title, _ in metrics.values() for kind in ("", ", gain")]
    grid = Grid([*_WHERE, *columns])
    scores = {metric: _test_scores(tables, metric) for metric in metrics}
    gains = {metric: {_cell(row): row for row in each(_over_reference(tables, metric))} for metric in metrics}
    for row in each(tables["costs"]):
        fields = []
        for metric, (_, scale) in metrics.items():
            compared = gains[metric].get(_cell(row))
            digits = 1 if scale > 1 else 3
            fields.append(spread(scores[metric][_cell(row)], digits, scale))
            fields.append(Field(NONE, -1e300) if compared is None else gain(compared, scale, digits))
        grid.rows.append([*_where(row), *fields])
    return grid


def across(tables: Tables) -> Grid:
    """List what the default variants gain in accuracy over each baseline, over all blocks together."""
    grid = Grid(
        [
            Column("Method"),
            Column("Baseline"),
            Column("Blocks", "Pairs and regimes in which both stand"),
            Column("Median gain", "Over blocks, of means over seeds, in points"),
            Column("W / T / L", "Blocks won, tied within half a point, lost, by means over seeds"),
            Column("Worst", "Gain of the worst seed of any block, in points"),
            Column("Worst in"),
            Column("< 0", "Share of all seeds with a gain below zero, in percent"),
            Column("p", "Exact Wilcoxon signed-rank test over blocks"),
            Column("p at best", "The least p-value that so many blocks can give"),
            Column("p adj.", "By Holm's method over the methods compared with this baseline"),
        ]
    )
    table = tables["across"]
    for row in each(table[table.metric == "accuracy"]):
        grid.rows.append(
            [
                name(row.label),
                name(row.baseline),
                number(row.n_blocks, 0),
                signed_number(row.median_gain),
                Field(f"{row.win} / {row.tie} / {row.loss}", row.win - row.loss),
                signed_number(row.worst_gain),
                name(f"{row.worst_pair}, {row.worst_regime}"),
                number(row.negative_transfer_rate, 0, 100),
                p_value(row.p_value),
                p_value(row.smallest_p),
                p_value(row.p_adjusted),
            ]
        )
    return grid


def teachers(tables: Tables) -> Grid:
    """List the teachers of each pair and pool."""
    grid = Grid(
        [
            Column("Pair"),
            Column("Pool", "full: all training samples; own: only those that disjoint students never see"),
            Column("Seeds"),
            Column("Best epoch", "Median over seeds, chosen on the validation split"),
            Column("Validation accuracy", "Percent, mean ± standard deviation over seeds"),
            Column("Test accuracy", "Percent, mean ± standard deviation over seeds"),
            Column("Weakest seed", "Least test accuracy of a seed, percent"),
            Column("ECE", "Expected calibration error on the test split, points"),
            Column("NLL", "Negative log-likelihood on the test split, nats"),
            Column("Parameters"),
        ]
    )
    for _, rows in tables["teachers"].groupby(["pair", "pool"], sort=False):
        grid.rows.append(
            [
                name(rows.pair.iloc[0]),
                name(rows.pool.iloc[0]),
                number(len(rows), 0),
                number(rows.best_epoch.median(), 0),
                spread(rows.val_accuracy, scale=100),
                spread(rows.test_accuracy, scale=100),
                number(rows.test_accuracy.min(), 1, 100),
                spread(rows.test_ece, scale=100),
                spread(rows.test_nll, 3),
                number(rows.parameters.median(), 0),
            ]
        )
    return grid


def trials(tables: Tables) -> Grid:
    """List what tuning chose for each method, beside the configuration as it is."""
    grid = Grid(
        [
            Column("Pair"),
            Column("Regime"),
            Column("Method"),
            Column("Trials"),
            Column("Students", "Of each trial, with seeds that are not reported"),
            Column("As configured", "Validation accuracy of the first trial, percent"),
            Column("Chosen", "Validation accuracy of the best trial, percent"),
            Column("Learning rate", "Of the best trial, as a factor of the recipe's"),
            Column("Changes", "Settings of the best trial that depart from the configuration"),
        ]
    )
    for _, rows in tables["trials"].groupby(["pair", "regime", "method"], sort=False):
        best, first = rows[rows.chosen], rows[rows.trial == 0]
        grid.rows.append(
            [
                name(rows.pair.iloc[0]),
                name(rows.regime.iloc[0]),
                name(rows.label.iloc[0]),
                number(rows.trial.nunique(), 0),
                number(len(first), 0),
                number(first.val_accuracy.mean(), 1, 100),
                number(best.val_accuracy.mean(), 1, 100),
                number(best.rate.iloc[0], 2),
                name(
                    ", ".join(f"{key} {value:.3g}" for key, value in json.loads(best.changes.iloc[0]).items())
                ),
            ]
        )
    return grid


def costs(tables: Tables) -> Grid:
    """List the cost ledger of every cell."""
    grid = Grid(
        [
            *_WHERE,
            Column("Student fwd", "Forward passes of the student per step, in batches"),
            Column("Student bwd", "Backward passes of the student per step, in batches"),
            Column("Teacher fwd"),
            Column("Teacher bwd"),
            Column("Aux. parameters", "Trained along and thrown away"),
            Column("OT iterations", "Per step"),
            Column("Steps"),
            Column("Passes / ce", "Student passes of the whole training over those of ce"),
            Column("Step / ce", "Duration of a step over that of ce, median over seeds"),
            Column("Step (ms)", "Median over seeds"),
            Column("Fit (s)", "Median over seeds"),
            Column("Best epoch", "Median over seeds"),
        ]
    )
    for row in each(tables["costs"]):
        passes = (row.student_forwards, row.student_backwards, row.teacher_forwards, row.teacher_backwards)
        grid.rows.append(
            [
                *_where(row),
                *(number(value, 2) for value in passes),
                number(row.aux_parameters, 0),
                number(row.ot_iterations, 1),
                number(row.steps, 0),
                number(row.passes_ratio_to_ce, 2),
                number(row.step_ratio_to_ce, 2),
                number(row.step_seconds, 2, 1000),
                number(row.fit_seconds, 1),
                number(row.best_epoch, 0),
            ]
        )
    return grid


def environment(tables: Tables) -> Grid:
    """List versions and devices; an item with two values was mixed."""
    table = tables["environment"]
    mixed = set(table.item[table.item.duplicated()])
    grid = Grid([Column("Item"), Column("Value"), Column("Runs")])
    for row in each(table):
        tone = "bad" if row.item in mixed else ""
        grid.rows.append([name(row.item), Field(str(row.value), str(row.value), tone), number(row.runs, 0)])
    return grid


def _changes(text: str) -> str:
    return ", ".join(f"{setting} {value:.3g}" for setting, value in json.loads(text).items())


def _where(row: Any) -> list[Field]:
    return [name(row.pair), name(row.regime), name(row.label), name(row.variant)]


def _needs(row: Any) -> list[Field]:
    """Say what a method declares; methods without a teacher consume nothing of it."""
    if pd.isna(row.needs_teacher):
        return [name(""), name("")]
    stands_in = pd.notna(row.fallback)
    wanted = {
        f"same {row.needs_correspondence}": row.needs_correspondence != "none" and not stands_in,
        "student labels": row.needs_student_labels,
        "teacher labels": row.needs_teacher_labels,
        f"runs as {row.fallback}": stands_in,
    }
    also = ", ".join(need for need, holds in wanted.items() if holds)
    return [name(str(row.needs_teacher).replace(" ", ", ")), name(also or "nothing")]


def _cell(row: Any) -> tuple[str, str, str, str]:
    return row.pair, row.regime, row.method, row.variant


def _over_reference(tables: Tables, metric: str) -> pd.DataFrame:
    table = tables["comparisons"]
    return table[(table.baseline == REFERENCE) & (table.metric == metric)]


def _test_scores(tables: Tables, metric: str) -> dict[Any, pd.Series]:
    table = tables["scores"]
    groups = table[(table.split == "test") & (table.metric == metric)].groupby(CELL, sort=False)
    return {cell: rows.value for cell, rows in groups}
