"""Forest plots: a row a cell, with its seeds as points, its mean and the interval of the mean."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ucmkd.evaluation.baselines import EQUIVALENT
from ucmkd.evaluation.headline import signed
from ucmkd.evaluation.tables import Block
from ucmkd.figures.shared.gains import usual_range
from ucmkd.figures.shared.panels import Panel, Rows, panel_grid
from ucmkd.figures.style import EVEN, Look

MARGIN = 100 * EQUIVALENT["accuracy"]
_ROW = 0.2
_LABELS = 1.6


@dataclass(frozen=True)
class Entry:
    """One row of a panel, in points.

    Attributes
    ----------
    marks : tuple of (marker, value)
        Hollow marks beside the mean, for controls of the same cell.
    """

    label: str
    look: Look
    gain: float
    low: float
    high: float
    seeds: pd.Series
    marks: tuple[tuple[str, float], ...] = ()


def entry_of(
    row: Any, label: str, look: Look, seeds: pd.Series, marks: tuple[tuple[str, float], ...] = ()
) -> Entry:
    """Make an entry of a row of a table of gains."""
    return Entry(label, look, row.gain, row.ci_low, row.ci_high, seeds, marks)


def forest_figure(
    rows: Rows,
    entries: Mapping[Block, Sequence[Entry]],
    axis: str,
    *,
    lines: Mapping[Block, Sequence[tuple[Look, float]]],
    legend: Sequence[Artist],
) -> Figure:
    """Draw a panel for every block.

    Parameters
    ----------
    rows : list of list of block
    entries : mapping
        What stands in each block's panel. Panels beside each other list the same labels.
    axis : str
        What the horizontal axis shows.
    lines : mapping
        Values of controls to be drawn through each block's panel.
    legend : sequence of Artist
        What to explain beside points, means and the region of equivalence.
    """
    labels = [list(dict.fromkeys(e.label for block in row for e in entries[block])) for row in rows]
    handles = [*_handles(entries), *legend]
    heights = [[_ROW * (len(names) + 0.6)] for names in labels]
    figure, panels = panel_grid(rows, heights, axis=axis, legend=handles, labels=_LABELS)
    for panel in panels:
        _draw_panel(panel, labels[panel.row], entries[panel.block], lines.get(panel.block, ()))
    for (number, _), group in groupby(panels, lambda panel: (panel.row, panel.block[0])):
        beside = list(group)
        controls = [value for panel in beside for _, value in lines.get(panel.block, ())]
        _fit_scale(beside, [entries[panel.block] for panel in beside], labels[number], controls)
    return figure


def _draw_panel(
    panel: Panel, labels: Sequence[str], entries: Sequence[Entry], lines: Sequence[tuple[Look, float]]
) -> None:
    axes = panel.axes[0]
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.set_yticks(range(len(labels)), labels)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    axes.spines["left"].set_visible(False)
    axes.axvspan(-MARGIN, MARGIN, color=EVEN, alpha=0.6, lw=0, zorder=0)
    axes.axvline(0, color="black", lw=0.9, zorder=1)
    for look, value in lines:
        axes.axvline(value, color=look.colour, ls=look.dashes, lw=0.9, zorder=1)
    for entry in entries:
        _draw_entry(axes, labels.index(entry.label), entry)


def _draw_entry(axes: Axes, y: float, entry: Entry) -> None:
    look, n = entry.look, len(entry.seeds)
    offsets = np.linspace(-0.26, 0.26, n) if n > 1 else np.zeros(n)
    axes.plot(entry.seeds, y + offsets, ".", color=look.colour, alpha=0.45, ms=3.4, mew=0, zorder=2)
    axes.plot([entry.low, entry.high], [y, y], color=look.colour, lw=1.8, solid_capstyle="butt", zorder=3)
    for marker, value in entry.marks:
        axes.plot(value, y, marker, mfc="white", mec=look.colour, mew=0.9, ms=4.6, zorder=4)
    axes.plot(entry.gain, y, look.marker, color=look.colour, mec="white", mew=0.5, ms=5.6, zorder=5)


def _fit_scale(
    panels: Sequence[Panel],
    entries: Sequence[Sequence[Entry]],
    labels: Sequence[str],
    controls: Sequence[float],
) -> None:
    """Scale the panels of a pair to the bulk of their gains; means beyond are written at the edge."""
    everything = [entry for of_panel in entries for entry in of_panel]
    bulk = usual_range(entry.gain for entry in everything)
    seeds = [value for entry in everything if abs(entry.gain) <= bulk for value in entry.seeds]
    values = np.array([value for value in (*seeds, *controls, 0.0) if abs(value) <= 2 * bulk])
    low, high = float(values.min()), float(values.max())
    room = 0.06 * (high - low) + 0.1
    low, high = min(low, -MARGIN) - room, max(high, MARGIN) + room
    panels[0].axes[0].set_xlim(low, high)
    for panel, of_panel in zip(panels, entries, strict=True):
        for entry in of_panel:
            if not low <= entry.gain <= high:
                _write_at_edge(panel.axes[0], labels.index(entry.label), entry, left=entry.gain < low)


def _write_at_edge(axes: Axes, y: float, entry: Entry, *, left: bool) -> None:
    text = f"◂ {signed(entry.gain)}" if left else f"{signed(entry.gain)} ▸"
    place = axes.get_xlim()[0 if left else 1]
    axes.text(
        place,
        y,
        text,
        color=entry.look.colour,
        ha="left" if left else "right",
        va="center",
        fontsize=7,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.9},
    )


def _handles(entries: Mapping[Block, Sequence[Entry]]) -> list[Artist]:
    counts = sorted({len(entry.seeds) for of_block in entries.values() for entry in of_block})
    seeds = "–".join(dict.fromkeys(str(n) for n in (counts[0], counts[-1]))) if counts else "0"
    grey = "#444444"
    handles: list[Artist] = [Line2D([], [], color=grey, ls="", marker=".", ms=4, alpha=0.6, label="one seed")]
    if counts and counts[-1] > 1:
        name = f"mean, 95 % bootstrap ({seeds} seeds)"
        handles.append(Line2D([], [], color=grey, marker="o", mec="white", ms=5.6, lw=1.8, label=name))
    else:
        handles.append(
            Line2D([], [], color=grey, ls="", marker="o", ms=5.6, label="mean (one seed, no interval)")
        )
    handles.append(Patch(color=EVEN, alpha=0.6, label=f"±{MARGIN:g} points: a tie"))
    return handles
