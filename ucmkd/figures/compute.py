"""Gain against what it costs."""

from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullLocator

from ucmkd.evaluation.baselines import REFERENCE
from ucmkd.evaluation.headline import signed
from ucmkd.evaluation.tables import Tables
from ucmkd.figures.shared.gains import NO_REFERENCE, each, reference_gains, usual_range
from ucmkd.figures.shared.legend import GREY, method_marks
from ucmkd.figures.shared.panels import by_block, panel_grid
from ucmkd.figures.style import Look, in_style, looks, statement

_HEIGHT = 1.6
_CELL = ["pair", "regime", "method", "variant"]
_RATIOS = ["passes_ratio_to_ce", "step_ratio_to_ce"]


@in_style
def draw(tables: Tables) -> Figure:
    """Draw a panel a block: gain by student passes, and by the duration of a step, both relative to ce."""
    gains = reference_gains(tables)
    gains = gains[gains.variant == "default"]
    if gains.empty:
        return statement(NO_REFERENCE)
    costs = tables["costs"]
    reference = costs[(costs.method == REFERENCE) & (costs.variant == "default")].assign(gain=0.0)
    points = gains[[*_CELL, "gain"]].merge(costs[[*_CELL, *_RATIOS]], on=_CELL)
    points = pd.concat([points, reference[points.columns]]).dropna(subset=_RATIOS)
    if points.empty:
        return statement("No pair has ce, which costs are relative to: add it to the cells.")
    given = looks(costs.method)
    rows, of_blocks = by_block(tables, points)
    figure, panels = panel_grid(
        rows,
        [[_HEIGHT]] * len(rows),
        axis="Compute relative to ce (logarithmic)",
        legend=[*method_marks(tables, points.method), *_legend()],
        labels=0.4,
    )
    for panel in panels:
        _draw_points(panel.axes[0], of_blocks[panel.block], given, _between(points))
    # Panels of a row share their scale, which fits itself to all points until one of its ends is set.
    bulk = usual_range(points.gain)
    for panel in panels:
        _write_far_below(panel.axes[0], of_blocks[panel.block], given, bulk)
        if panel.first:
            panel.axes[0].set_ylabel(f"Gain over\n{REFERENCE} (points)")
    return figure


def _between(points: pd.DataFrame) -> tuple[float, ...]:
    """Choose the ticks of each octave: also in its middle where there are few octaves."""
    ratios = points[_RATIOS].to_numpy()
    return (1, 1.5) if ratios.max() < 4 * ratios.min() else (1,)


def _draw_points(
    axes: Axes, points: pd.DataFrame, given: dict[str, Look], between: tuple[float, ...]
) -> None:
    axes.grid()
    axes.axhline(0, color="black", lw=0.9, zorder=1)
    for row in each(points):
        look = given[row.method]
        style: dict[str, Any] = {"color": look.colour, "zorder": 2 if look.control else 3}
        axes.plot([row.passes_ratio_to_ce, row.step_ratio_to_ce], [row.gain] * 2, lw=0.7, alpha=0.7, **style)
        axes.plot(row.step_ratio_to_ce, row.gain, "|", ms=6, mew=1.2, **style)
        axes.plot(row.passes_ratio_to_ce, row.gain, look.marker, ms=5, mec="white", mew=0.4, **style)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(LogLocator(base=2, subs=between))
    axes.xaxis.set_major_formatter("{x:g}×")
    axes.xaxis.set_minor_locator(NullLocator())


def _write_far_below(axes: Axes, points: pd.DataFrame, given: dict[str, Look], bulk: float) -> None:
    """Leave out gains far below the others, and write them at the lower edge."""
    far = points[points.gain < -1.2 * bulk]
    if far.empty:
        return
    axes.set_ylim(bottom=-1.2 * bulk)
    for _, rows in far.sort_values("gain").groupby(far.passes_ratio_to_ce.round(1)):
        for number, row in enumerate(each(rows)):
            axes.annotate(
                f"{signed(row.gain)} ▾",
                (row.passes_ratio_to_ce, -1.2 * bulk),
                xytext=(0, 2 + 6 * number),
                textcoords="offset points",
                color=given[row.method].colour,
                ha="center",
                fontsize=6,
            )


def _legend() -> list[Artist]:
    return [
        Line2D([], [], color=GREY, ls="", marker="|", ms=6, mew=1.2, label="same by duration of a step"),
        Line2D([], [], color=GREY, ls="", marker="o", ms=5, label="by student passes of the training"),
    ]
