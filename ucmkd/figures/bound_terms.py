"""The terms of the bound beside the error that they bound."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ucmkd.evaluation.tables import Tables
from ucmkd.figures.shared.bound import NOTHING, by_term, few_methods
from ucmkd.figures.shared.legend import method_labels
from ucmkd.figures.shared.panels import by_block, methods_by_row, panel_grid
from ucmkd.figures.style import in_style, looks, statement

_ROW = 0.33
_LABELS = 1.6
_ERROR_T, _ALIGNMENT, _LABEL, _ERROR_S = "#009e73", "#c9d8e6", "#e69f00", "#111111"
_LEGEND = (
    Patch(color=_ERROR_T, label="teacher's error"),
    Patch(color=_ALIGNMENT, label="τW: feature alignment"),
    Patch(fc="none", ec=_LABEL, hatch="////", lw=0.8, label="LA: label alignment (leftwards if negative)"),
    Patch(color=_ERROR_S, label="student's error"),
)


@in_style
def draw(tables: Tables) -> Figure:
    """Draw the terms as one stacked bar a method, and below it the student's error, as means over seeds."""
    if tables["bound"].empty:
        return statement(NOTHING)
    rows, terms = by_block(tables, by_term(few_methods(tables["bound"])))
    given, labels = looks(tables["costs"].method), method_labels(tables)
    methods = methods_by_row(rows, terms, given)
    heights = [[_ROW * (len(names) + 0.4)] for names in methods]
    axis = "Nats, means over seeds\nnumbers: student's error ≤ bound"
    figure, panels = panel_grid(rows, heights, axis=axis, legend=_LEGEND, labels=_LABELS)
    for panel in panels:
        axes, names = panel.axes[0], methods[panel.row]
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_yticks(range(len(names)), [labels[name] for name in names])
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
        axes.axvline(0, color="black", lw=0.9)
        for method, of_method in terms[panel.block].groupby("method"):
            _draw_bar(axes, names.index(str(method)), of_method.mean(numeric_only=True))
    for panel in panels:
        if panel.first:
            low, high = panel.axes[0].get_xlim()
            panel.axes[0].set_xlim(low, high + 0.42 * (high - low))
    return figure


def _draw_bar(axes: Axes, y: float, term: pd.Series) -> None:
    taught, own, alignment = term["error/teacher"], term["error/student"], term["FA/exact"]
    reach = taught + alignment
    bound = reach + term["LA/entropy"]
    top: dict[str, Any] = {"y": y - 0.14, "height": 0.34}
    axes.barh(width=taught, color=_ERROR_T, **top)
    axes.barh(width=alignment, left=taught, color=_ALIGNMENT, **top)
    axes.barh(width=bound - reach, left=reach, fc="none", ec=_LABEL, hatch="////", lw=0.8, **top)
    axes.barh(y + 0.16, own, height=0.2, color=_ERROR_S)
    sign = "≤" if own <= bound else ">"
    axes.annotate(
        f"{own:.2f} {sign} {bound:.2f}", (max(reach, bound), y), (4, 0), textcoords="offset points",
        va="center", fontsize=6.5, color="#333333",
    )  # fmt: skip
