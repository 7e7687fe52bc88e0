"""What was looked at in finished runs, as tables of the report."""

import math
from typing import Any

import pandas as pd

from ucmkd.evaluation.headline import gain_text
from ucmkd.evaluation.selection import NO_TEACHER
from ucmkd.evaluation.tables import Tables
from ucmkd.report.grid import NONE, Column, Field, Grid, each, name, number, spread
from ucmkd.theory.terms import TERMS

TOLD = ("error/teacher", "FA/exact", "LA/entropy", "error/student", "C/entropy", "slack/entropy", "tau/used",
        "W/excess", "label_gap/agreement", "dimension/student")  # fmt: skip
"""Terms of the bound that the page shows; all of them stand in ``summary/bound.csv``."""

_CELL = ["pair", "regime", "label", "variant"]


def bound(tables: Tables) -> Grid:
    """List the main terms of the bound of every cell."""
    grid = Grid(
        [*(Column(title) for title in ("Pair", "Regime", "Method", "Variant")),
         *(Column(term, TERMS[term]) for term in TOLD)]
    )  # fmt: skip
    table = tables["bound"]
    for cell, rows in table[table.term.isin(TOLD)].groupby(_CELL, sort=False):
        terms = dict(iter(rows.groupby("term").value))
        fields = (spread(terms[term], 2) if term in terms else Field(NONE, -1e300) for term in TOLD)
        grid.rows.append([*(name(each_name) for each_name in cell), *fields])
    return grid


def verdicts(tables: Tables) -> Grid:
    """List what the complementarity hypothesis says of every pair, by pairs of estimators."""
    grid = Grid(
        [
            Column("Pair"),
            Column("Pairing", "within_class: re-paired, where the condition cannot hold"),
            Column("I(T;S) by"),
            Column("I(S;Y) by"),
            Column("Margin", "I(T;S) minus I(S;Y) in nats, mean ± standard deviation over seeds"),
            Column("Verdicts", "Seeds of each; undecided where the intervals leave the sign open"),
        ]
    )
    for keys, rows in tables["verdicts"].groupby(["pair", "pairing", "between", "about"], sort=False):
        counts = rows.verdict.value_counts()
        said = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
        margins = rows.margin.dropna()
        shown = spread(margins, 2) if len(margins) else Field(NONE, -1e300)
        grid.rows.append([*(name(key) for key in keys), shown, name(said)])
    return grid


def criteria(tables: Tables) -> Grid:
    """List how well each criterion chose a teacher."""
    grid = Grid(
        [
            Column("Criterion"),
            Column("Method"),
            Column("Variant"),
            Column("Students"),
            Column("Combinations", "Of a teacher and a student"),
            Column("Regret", "Points lost by its choice against the best one, no distillation included"),
            Column("Harmful", "Share of its choices that cost accuracy"),
            Column("Spearman within", "Of value and gain among the teachers of a student"),
            Column("Spearman overall"),
            Column("AUROC", "Of a gain above 0"),
            Column("Balanced accuracy", "Of the rule that a value above 0 means a gain"),
        ]
    )
    measures = ("regret_points", "harmful_share", "spearman_within", "spearman_overall", "auroc",
                "balanced_accuracy")  # fmt: skip
    for row in each(tables["criteria"]):
        fields = [_with_interval(row, measure) for measure in measures]
        grid.rows.append([name(row.criterion), name(row.method), name(row.variant),
                          number(row.n_students, 0), number(row.n_combinations, 0), *fields])  # fmt: skip
    return grid


def selection(tables: Tables) -> Grid:
    """List the candidates of every student: what each criterion says, and what was gained."""
    table = tables["selection"]
    named = list(dict.fromkeys(table.criterion))
    grid = Grid(
        [*(Column(title) for title in ("Student", "Teacher", "Method", "Variant")),
         Column("Gain", "Over the student trained alone by the teacher's recipe, in points of test accuracy"),
         *(Column(criterion) for criterion in named)]
    )  # fmt: skip
    cell = ["student", "teacher", "method", "variant"]
    for keys, rows in table[table.teacher != NO_TEACHER].groupby(cell, sort=False):
        values = dict(zip(rows.criterion, rows.value, strict=True))
        grid.rows.append(
            [*(name(key) for key in keys), _gain(next(each(rows))),
             *(number(values.get(criterion, math.nan), 2) for criterion in named)]
        )  # fmt: skip
    return grid


def _gain(row: Any) -> Field:
    tone = "good" if row.gain_low > 0 else "bad" if row.gain_high < 0 else ""
    return Field(gain_text(row.gain_points, row.gain_low, row.gain_high), row.gain_points, tone)


def _with_interval(row: Any, measure: str) -> Field:
    value, low, high = (getattr(row, f"{measure}{end}") for end in ("", "_low", "_high"))
    if pd.isna(value):
        return Field(NONE, -1e300)
    return Field(f"{value:.2f}" + ("" if pd.isna(low) else f" [{low:.2f}, {high:.2f}]"), value)
