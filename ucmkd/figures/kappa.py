"""How often the label transport kernel lets a student sample pass."""

import pandas as pd
from matplotlib.figure import Figure

from ucmkd.evaluation.tables import Tables
from ucmkd.figures.shared.bound import NOTHING, few_methods
from ucmkd.figures.shared.legend import method_lines
from ucmkd.figures.shared.panels import Panel, by_block, panel_grid
from ucmkd.figures.style import Look, in_style, looks, statement

_HEIGHT = 1.3
_FLOOR = 0.05
"""Percent; the axis is logarithmic, and empty bins are drawn here."""


@in_style
def draw(tables: Tables) -> Figure:
    """Draw the histogram of the kernel over student test samples, as means over seeds."""
    if tables["kappa"].empty:
        return statement(NOTHING)
    shown = few_methods(tables["kappa"])
    rows, shares = by_block(tables, shown)
    figure, panels = panel_grid(
        rows,
        [[_HEIGHT]] * len(rows),
        axis="Label transport kernel κ = p_T(y|z) at student features",
        legend=method_lines(tables, shown.method),
        labels=0.4,
    )
    given = looks(tables["costs"].method)
    for panel in panels:
        _draw_histograms(panel, shares[panel.block], given)
    return figure


def _draw_histograms(panel: Panel, shares: pd.DataFrame, given: dict[str, Look]) -> None:
    axes = panel.axes[0]
    axes.grid()
    axes.set_yscale("log")
    axes.set_xlim(0, 1)
    axes.set_ylim(_FLOOR, 130)
    axes.yaxis.set_major_formatter("{x:g}")
    if panel.first:
        axes.set_ylabel("Samples (%)")
    for method, of_method in shares.groupby("method", sort=False):
        look, bins = given[str(method)], of_method.groupby(["low", "high"]).share.mean().reset_index()
        percent = (100 * bins.share).clip(lower=_FLOOR)
        edges = [*bins.low, bins.high.iloc[-1]]
        axes.stairs(percent, edges, baseline=None, color=look.colour, ls=look.dashes, lw=1.1)
