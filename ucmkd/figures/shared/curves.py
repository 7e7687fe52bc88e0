"""Curves over epochs: a line a method, its mean over seeds, with a band of one standard deviation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullLocator

from ucmkd.evaluation.tables import Tables
from ucmkd.figures.shared.crowd import CROWD, lines_in_a_crowd, looks_in_a_crowd
from ucmkd.figures.shared.legend import GREY
from ucmkd.figures.shared.panels import by_block, panel_grid
from ucmkd.figures.style import Look, looks, statement

_HEIGHT = 1.25
_DECADES = 10_000


@dataclass(frozen=True)
class Curve:
    """What one storey shows.

    Attributes
    ----------
    metric : str
        Its name in the history.
    name : str
        What stands on the vertical axis.
    percent : bool
        Whether to show a fraction in percent, leaving out the lowest fifth of all values, where training
        starts and methods do not differ yet.
    log : bool
        Whether to use a logarithmic scale, if all values are positive.
    """

    metric: str
    name: str
    percent: bool = False
    log: bool = False


def curves_figure(tables: Tables, storeys: Sequence[Curve], nothing: str) -> Figure:
    """Draw a panel for every block, with the default variants, and a storey for every curve.

    Parameters
    ----------
    tables : dict of DataFrame
    storeys : sequence of Curve
        From top to bottom.
    nothing : str
        What to say if no run logged any of them.
    """
    given = looks(tables["costs"].method)
    history = tables["history"]
    logged = history.metric.isin([curve.metric for curve in storeys]) & history.method.isin(given)
    shown = history[logged & (history.variant == "default")]
    rows, curves = by_block(tables, shown)
    if not rows:
        return statement(nothing)
    in_panel = {
        block: looks_in_a_crowd(_at_the_end(of_block, storeys[0]), given)
        for block, of_block in curves.items()
    }
    band: list[Artist] = [Patch(color=GREY, alpha=0.2, lw=0, label="± sd over seeds")]
    figure, panels = panel_grid(
        rows,
        [[_HEIGHT] * len(storeys)] * len(rows),
        axis="Epoch",
        legend=lines_in_a_crowd(tables, in_panel.values()) + (band if shown.n_seeds.max() > 1 else []),
        labels=0.4,
        common_scales=False,
    )
    for panel in panels:
        rows_of_block = curves[panel.block]
        for axes, curve in zip(panel.axes, storeys, strict=True):
            of_curve = rows_of_block[rows_of_block.metric == curve.metric]
            _draw_curves(axes, of_curve, curve, in_panel[panel.block])
            _fit_scale(axes, of_curve, curve)
            if panel.first:
                axes.set_ylabel(curve.name)
    return figure


def _at_the_end(rows: pd.DataFrame, curve: Curve) -> pd.Series:
    """Give the last mean of every method that has rows; NaN of those that did not log this curve."""
    last = rows[rows.metric == curve.metric].sort_values("epoch").groupby("method")["mean"].last()
    return last.reindex(rows.method.unique())


def _draw_curves(axes: Axes, rows: pd.DataFrame, curve: Curve, given: Mapping[str, Look]) -> None:
    axes.grid()
    scale = 100 if curve.percent else 1
    for method, points in rows.groupby("method", sort=False):
        look = given[str(method)]
        order = 1 if look == CROWD else 2 if look.control else 3
        mean, spread = scale * points["mean"], scale * points.sd.fillna(0)
        axes.plot(points.epoch, mean, color=look.colour, ls=look.dashes, lw=1.1, zorder=order)
        if look == CROWD:
            continue
        band = (mean - spread, mean + spread)
        faint = 0.05 if look.control else 0.1
        axes.fill_between(points.epoch, *band, color=look.colour, alpha=faint, lw=0, zorder=order)


def _fit_scale(axes: Axes, rows: pd.DataFrame, curve: Curve) -> None:
    if rows.empty:
        return
    axes.set_xlim(0, float(rows.epoch.max()) * 1.02)
    spread = rows.sd.fillna(0)
    low, high = float(rows["mean"].min()), float((rows["mean"] + spread).max())
    if curve.percent:
        axes.set_ylim(100 * float(rows["mean"].quantile(0.2)), 100 * min(high, 1) + 0.5)
    if curve.log and low > 0:
        axes.set_yscale("log")
        axes.set_ylim(max(0.8 * low, high / _DECADES), 1.1 * high)
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 20 * low else (1,)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_locator(NullLocator())
