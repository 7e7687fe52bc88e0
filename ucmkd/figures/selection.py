"""Which criterion selects teachers well."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ucmkd.evaluation.selection import NO_TEACHER
from ucmkd.evaluation.tables import Tables
from ucmkd.figures.shared.criteria import CRITERIA
from ucmkd.figures.shared.gains import each
from ucmkd.figures.shared.legend import GREY, method_labels
from ucmkd.figures.style import PAGE_WIDTH, Look, in_style, looks, statement

_LINE = 0.105
_GAP = 0.12
_AROUND = 0.75
_PER_LINE = 4
_LEGEND_LINE = 0.16
_PANELS = {
    "regret_points": ("Regret of the pick (points)", 1),
    "auroc": ("AUROC of a gain above 0", 1),
    "harmful_share": ("Harmful picks (% of students)", 100),
}
_NOTHING = (
    "No criterion of selection was judged:\n"
    "put cch under diagnose in the configuration, with a method in regime paired."
)

Chosen = tuple[str, str]
"""A method and a variant."""


@in_style
def draw(tables: Tables) -> Figure:
    """Draw criteria as rows: regret, area under the curve and harmful picks, a mark a method."""
    judged = tables["criteria"][tables["criteria"].n_combinations > 0]
    if judged.empty:
        return statement(_NOTHING)
    names = [name for name in CRITERIA if name in set(judged.criterion)]
    chosen: list[Chosen] = list(dict.fromkeys(zip(judged.method, judged.variant, strict=True)))
    given = looks(tables["costs"].method)
    handles = _legend(chosen, given, method_labels(tables))
    legend = _LEGEND_LINE * -(-len(handles) // _PER_LINE) + 0.1
    height = len(names) * (_LINE * len(chosen) + _GAP) + _AROUND
    figure = Figure(figsize=(PAGE_WIDTH, height + legend))
    figure.set_layout_engine(
        "constrained", rect=(0, legend / (height + legend), 1, height / (height + legend))
    )
    panels = figure.subplots(1, len(_PANELS), sharey=True)
    for axes, (measure, (title, scale)) in zip(panels, _PANELS.items(), strict=True):
        _draw_measure(axes, judged, measure, scale, names, chosen, given)
        axes.set_xlabel(title)
    panels[0].set_yticks(range(len(names)), [CRITERIA[name] for name in names])
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    panels[1].set(xlim=(-0.03, 1.03), xticks=(0, 0.5, 1))
    panels[1].axvline(0.5, color="black", lw=0.7)
    panels[2].set_xlim(-3, 103)
    for pair, regret in _never_distilling(tables["selection"]).items():
        panels[0].axvline(regret, color=given[pair[0]].colour, lw=0.9, ls=_dashes(pair))
    panels[0].set_xlim(left=-0.03 * panels[0].get_xlim()[1])
    figure.legend(handles=handles, loc="lower center", ncols=_PER_LINE).set_in_layout(False)
    return figure


def _draw_measure(
    axes: Axes,
    judged: pd.DataFrame,
    measure: str,
    scale: float,
    names: Sequence[str],
    chosen: Sequence[Chosen],
    given: Mapping[str, Look],
) -> None:
    offsets = np.linspace(-0.33, 0.33, len(chosen)) if len(chosen) > 1 else np.zeros(1)
    for row in each(judged):
        of = (row.method, row.variant)
        y = names.index(row.criterion) + offsets[chosen.index(of)]
        value, low, high = (scale * getattr(row, f"{measure}{end}") for end in ("", "_low", "_high"))
        if not math.isnan(value):
            axes.plot([low, high], [y, y], color=given[row.method].colour, lw=1.2, alpha=0.6, zorder=2)
            axes.plot(value, y, zorder=3, **_mark(of, given))
    for edge in range(1, len(names)):
        axes.axhline(edge - 0.5, color="#e6e6e6", lw=0.5)
    axes.grid(axis="x")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _never_distilling(selection: pd.DataFrame) -> dict[Chosen, float]:
    """Give the mean regret, over students, of taking no teacher ever."""
    measured = selection[selection.teacher != NO_TEACHER].dropna(subset=["gain_points"])
    best = measured.groupby(["method", "variant", "student"], sort=False).gain_points.max().clip(lower=0)
    means = best.groupby(level=["method", "variant"], sort=False).mean().reset_index()
    return {(row.method, row.variant): row.gain_points for row in each(means)}


def _mark(of: Chosen, given: Mapping[str, Look]) -> dict[str, Any]:
    look = given[of[0]]
    full = of[1] == "default"
    return {"color": look.colour, "marker": look.marker, "ms": 4.4, "mew": 0.5 if full else 0.9,
            "mfc": look.colour if full else "white", "mec": "white" if full else look.colour}  # fmt: skip


def _dashes(of: Chosen) -> str:
    return ":" if of[1] == "default" else "-."


def _legend(chosen: Sequence[Chosen], given: Mapping[str, Look], labels: Mapping[str, str]) -> list[Artist]:
    marks: list[Artist] = [
        Line2D(
            [],
            [],
            ls="",
            label=labels[of[0]] + ("" if of[1] == "default" else f" ({of[1]})"),
            **_mark(of, given),
        )
        for of in chosen
    ]
    return [
        *marks,
        Line2D([], [], color=GREY, lw=1.2, alpha=0.6, label="95 % bootstrap"),
        Line2D([], [], color=GREY, lw=0.9, ls=":", label="regret of never distilling"),
        Line2D([], [], color="black", lw=0.7, label="AUROC of chance"),
    ]
