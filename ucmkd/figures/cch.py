"""Whether the margin of the complementarity hypothesis says where a teacher helps."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ucmkd.evaluation.baselines import REFERENCE
from ucmkd.evaluation.selection import MAIN_MARGIN, NO_TEACHER
from ucmkd.evaluation.tables import Tables
from ucmkd.figures.shared.criteria import MARGINS
from ucmkd.figures.shared.gains import each
from ucmkd.figures.shared.legend import method_labels
from ucmkd.figures.style import BAD, GOOD, PAGE_WIDTH, Look, in_style, looks, statement

METHOD = "kd"
"""Whose gain is drawn where it was run: the hypothesis is about it."""

_HEIGHT = 3.7
_LEGEND_LINE = 0.16
_CHARACTER = 0.062
_NOTHING = (
    "No margin of the complementarity hypothesis stands beside a gain:\n"
    "put cch under diagnose in the configuration, with a method in regime paired."
)


@in_style
def draw(tables: Tables) -> Figure:
    """Draw margins against gains, one point a teacher and student; the main estimators in the large panel."""
    chosen = tables["selection"]
    chosen = chosen[(chosen.teacher != NO_TEACHER) & (chosen.variant == "default")]
    points = chosen[chosen.criterion.isin(list(MARGINS))].dropna(subset=["value", "gain_points"])
    if points.empty:
        return statement(_NOTHING)
    methods = list(dict.fromkeys(points.method))
    method = METHOD if METHOD in methods else methods[0]
    points = points[points.method == method]
    given = looks(points.student)
    handles = _legend(given)
    per_line = int(PAGE_WIDTH / (0.45 + _CHARACTER * max(map(len, given))))
    legend = _LEGEND_LINE * (1 + -(-len(handles) // per_line)) + 0.1
    figure = Figure(figsize=(PAGE_WIDTH, _HEIGHT + legend))
    figure.set_layout_engine(
        "constrained", rect=(0, legend / (_HEIGHT + legend), 1, _HEIGHT / (_HEIGHT + legend))
    )
    small = [name for name in MARGINS if name != MAIN_MARGIN]
    grid = figure.add_gridspec(len(small), 2, width_ratios=(2.3, 1))
    large = figure.add_subplot(grid[:, 0])
    _draw_panel(large, points[points.criterion == MAIN_MARGIN], given, size=5.5)
    _name_quadrants(large)
    large.set_title(f"Main estimators: {MARGINS[MAIN_MARGIN]}")
    large.set_ylabel(f"Gain of {method_labels(tables)[method]} over {REFERENCE} (points)")
    large.set_xlabel("Margin I(T;S) − I(S;Y) (nats)")
    for row, name in enumerate(small):
        axes = figure.add_subplot(grid[row, 1])
        _draw_panel(axes, points[points.criterion == name], given, size=3.2)
        axes.set_title(MARGINS[name])
        if row == len(small) - 1:
            axes.set_xlabel("Margin (nats)")
    explained = figure.legend(
        handles=handles, title="Student", title_fontsize=7, loc="lower center", ncols=per_line
    )
    explained.set_in_layout(False)
    return figure


def _draw_panel(axes: Axes, points: pd.DataFrame, given: Mapping[str, Look], *, size: float) -> None:
    for row in each(points):
        look = given[row.student]
        bar: dict[str, Any] = {"color": look.colour, "lw": 0.8, "alpha": 0.55, "zorder": 2}
        axes.plot([row.value_low, row.value_high], [row.gain_points, row.gain_points], **bar)
        axes.plot([row.value, row.value], [row.gain_low, row.gain_high], **bar)
        axes.plot(row.value, row.gain_points, look.marker, color=look.colour, mec="white", mew=0.4, ms=size,
                  zorder=3)  # fmt: skip
    _fit_scale(axes, points)
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    for rows, right_sign in (((bottom, 0), False), ((0, top), True)):
        axes.fill_between([0, right], *rows, color=GOOD if right_sign else BAD, alpha=0.06, lw=0, zorder=0)
        axes.fill_between([left, 0], *rows, color=BAD if right_sign else GOOD, alpha=0.06, lw=0, zorder=0)
    axes.axhline(0, color="#555555", lw=0.6, zorder=1)
    axes.axvline(0, color="#555555", lw=0.6, zorder=1)


def _fit_scale(axes: Axes, points: pd.DataFrame) -> None:
    """Show all points with their intervals, and both sides of zero."""
    for columns, set_limits in (
        (["value", "value_low", "value_high"], axes.set_xlim),
        (["gain_points", "gain_low", "gain_high"], axes.set_ylim),
    ):
        values = points[columns].to_numpy(np.float64)
        low, high = float(np.nanmin(values, initial=0)), float(np.nanmax(values, initial=0))
        room = 0.14 * (high - low) + 0.01
        set_limits(low - room, high + room)


def _name_quadrants(axes: Axes) -> None:
    words = {
        (0.015, 0.985): "not expected to help,\nand did",
        (0.985, 0.985): "expected to help,\nand did",
        (0.015, 0.015): "not expected to help,\nand did not",
        (0.985, 0.015): "expected to help,\nand did not",
    }
    for (x, y), text in words.items():
        axes.text(x, y, text, transform=axes.transAxes, fontsize=6.5, color="#555555",
                  ha="left" if x < 0.5 else "right", va="bottom" if y < 0.5 else "top")  # fmt: skip


def _legend(given: Mapping[str, Look]) -> list[Artist]:
    return [
        Line2D([], [], color=look.colour, ls="", marker=look.marker, mec="white", mew=0.4, ms=5.5, label=name)
        for name, look in given.items()
    ]  # fmt: skip
