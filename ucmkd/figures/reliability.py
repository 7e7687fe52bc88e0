"""Whether students are right as often as they say."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ucmkd.evaluation.tables import Tables, of_block
from ucmkd.figures.shared.crowd import CROWD, lines_in_a_crowd, looks_in_a_crowd
from ucmkd.figures.shared.legend import GREY, method_labels
from ucmkd.figures.shared.panels import by_block, methods_by_row, panel_grid
from ucmkd.figures.style import Look, in_style, looks, statement

_CURVE = 1.4
_ROW = 0.155
_NAMES = 0.3
_FEWEST = 30


@in_style
def draw(tables: Tables) -> Figure:
    """Draw accuracy by confidence above, and the expected calibration error of every seed below."""
    given, labels = looks(tables["costs"].method), method_labels(tables)
    bins = tables["reliability"]
    bins = bins[(bins.variant == "default") & bins.method.isin(given) & (bins["count"] >= _FEWEST)]
    rows, of_blocks = by_block(tables, bins)
    if not rows:
        return statement(f"No bin of confidence holds {_FEWEST} test samples or more.")
    scores = tables["scores"]
    errors = scores[(scores.variant == "default") & (scores.split == "test") & (scores.metric == "ece")]
    methods = methods_by_row(rows, of_blocks, given)
    in_panel = {
        block: looks_in_a_crowd(_mean_errors(of_blocks[block], of_block(errors, block)), given)
        for row in rows
        for block in row
    }
    figure, panels = panel_grid(
        rows,
        [[_CURVE, _ROW * (len(names) + 1) + _NAMES] for names in methods],
        axis="",
        legend=[*lines_in_a_crowd(tables, in_panel.values()), *_legend()],
        labels=1.6,
    )
    for panel in panels:
        above, below = panel.axes
        names = methods[panel.row]
        _draw_curves(above, of_blocks[panel.block], in_panel[panel.block])
        _draw_errors(below, names, of_block(errors, panel.block), given)
        below.set_yticks(range(len(names)), [labels[method] for method in names])
        if panel.first:
            above.set_ylabel("Accuracy (%)")
    for panel in panels:  # now that no panel is still to widen the scale that it shares
        panel.axes[1].set_xlim(left=0)
    return figure


def _mean_errors(bins: pd.DataFrame, errors: pd.DataFrame) -> pd.Series:
    return errors.groupby("method").value.mean().reindex(bins.method.unique())


def _draw_curves(axes: Axes, bins: pd.DataFrame, given: Mapping[str, Look]) -> None:
    axes.plot([0, 100], [0, 100], color="black", lw=0.7, zorder=1)
    for method, points in bins.groupby("method", sort=False):
        look = given[str(method)]
        style: dict[str, Any] = {"color": look.colour, "ls": look.dashes, "lw": 1.0}
        order = 1 if look == CROWD else 2 if look.control else 3
        axes.plot(100 * points.confidence, 100 * points.accuracy, zorder=order, **style)
    axes.set(xlim=(0, 100), ylim=(0, 100), xticks=(0, 50, 100), yticks=(0, 50, 100))
    axes.set_xlabel("Confidence (%)")
    axes.grid()


def _draw_errors(axes: Axes, methods: Sequence[str], errors: pd.DataFrame, given: Mapping[str, Look]) -> None:
    for method, rows in errors.groupby("method", sort=False):
        if method not in methods:
            continue
        look, y, values = given[str(method)], methods.index(str(method)), 100 * rows.value
        axes.plot(values, np.full(len(values), y), ".", color=look.colour, alpha=0.4, ms=3.4, mew=0)
        axes.plot(values.mean(), y, "|", color=look.colour, ms=7, mew=1.8)
    axes.set_ylim(len(methods) - 0.4, -0.6)
    axes.set_xlabel("ECE (points)")
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")


def _legend() -> list[Artist]:
    return [
        Line2D([], [], color="black", lw=0.7, label="perfect calibration"),
        Line2D([], [], color=GREY, ls="", marker="|", ms=7, mew=1.8, label="ECE, mean over seeds"),
        Line2D([], [], color=GREY, ls="", marker=".", ms=4, alpha=0.6, label="ECE, one seed"),
    ]
