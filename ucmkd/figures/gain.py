"""Gain of every method over the student that is trained alone by the teacher's recipe."""

from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ucmkd.evaluation.baselines import CONTROL_VARIANTS, REFERENCE
from ucmkd.evaluation.tables import Tables
from ucmkd.figures.shared.forest import Entry, entry_of, forest_figure
from ucmkd.figures.shared.gains import NO_REFERENCE, SeedGains, each, reference_gains
from ucmkd.figures.shared.legend import GREY, method_lines
from ucmkd.figures.shared.panels import by_block, rows_with
from ucmkd.figures.style import Look, in_style, looks, statement

_MARKS = dict(zip(CONTROL_VARIANTS, ("s", "D"), strict=True))


@in_style
def draw(tables: Tables) -> Figure:
    """Draw a panel a block: methods as rows, baselines as lines, control variants as hollow marks."""
    gains = reference_gains(tables)
    if gains.empty:
        return statement(NO_REFERENCE)
    seeds, given = SeedGains(tables), looks(tables["costs"].method)
    _, of_blocks = by_block(tables, gains)
    entries = {block: _entries(rows, seeds, given) for block, rows in of_blocks.items()}
    rows = rows_with(tables, entries)
    if not rows:
        return statement("Nothing but controls was run: add a method to the cells of the configuration.")
    return forest_figure(
        rows,
        entries,
        f"Gain in test accuracy over {REFERENCE} (points)",
        lines={block: _lines(rows, given) for block, rows in of_blocks.items()},
        legend=_legend(tables, gains, given),
    )


def _entries(gains: pd.DataFrame, seeds: SeedGains, given: dict[str, Look]) -> list[Entry]:
    controls = [row for row in each(gains) if row.variant in _MARKS]
    return [
        entry_of(
            row,
            row.label,
            given[row.method],
            seeds.over_reference(row),
            tuple((_MARKS[other.variant], other.gain) for other in controls if other.method == row.method),
        )
        for row in each(gains[gains.variant == "default"])
        if not given[row.method].control
    ]


def _lines(gains: pd.DataFrame, given: dict[str, Look]) -> list[tuple[Look, float]]:
    default = each(gains[gains.variant == "default"])
    return [(given[row.method], row.gain) for row in default if given[row.method].control]


def _legend(tables: Tables, gains: pd.DataFrame, given: dict[str, Look]) -> list[Artist]:
    lines = method_lines(tables, [method for method in gains.method if given[method].control])
    hollow: dict[str, Any] = {"color": GREY, "ls": "", "mfc": "white", "ms": 4.6}
    variants = [variant for variant in _MARKS if variant in set(gains.variant)]
    return lines + [Line2D([], [], marker=_MARKS[v], label=f"with {v}", **hollow) for v in variants]
