"""What tuning tried, and what it chose."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ucmkd.evaluation.tables import Tables
from ucmkd.figures.shared.legend import GREY, method_labels
from ucmkd.figures.shared.panels import by_block, methods_by_row, panel_grid
from ucmkd.figures.style import Look, in_style, looks, statement

_ROW = 0.155
_LABELS = 1.6
_LEAST_RANGE = 2.0


@in_style
def draw(tables: Tables) -> Figure:
    """Draw a panel a block, a row a method: validation accuracy of every trial, as a mean of its students."""
    trials = tables["trials"]
    if trials.empty:
        return statement("Nothing was tuned: tuning.trials of the configuration is 0.")
    given, labels = looks(tables["costs"].method), method_labels(tables)
    cell = ["pair", "regime", "method", "trial"]
    means = 100 * trials.groupby(cell, sort=False).val_accuracy.mean()
    shown = means.to_frame("accuracy").join(trials.groupby(cell).chosen.first()).reset_index()
    rows, of_blocks = by_block(tables, shown)
    methods = methods_by_row(rows, of_blocks, given)
    figure, panels = panel_grid(
        rows,
        [[_ROW * (len(names) + 1)] for names in methods],
        axis="Validation accuracy, mean over the students of a trial (%)",
        legend=_legend(),
        labels=_LABELS,
    )
    for number, row in enumerate(rows):
        beside = [panel for panel in panels if panel.row == number]
        ends = {
            panel.block: _left_end(pd.concat([of_blocks[b] for b in row if b[0] == panel.block[0]]))
            for panel in beside
        }
        for panel in beside:
            trials_here = of_blocks[panel.block]
            _draw_trials(panel.axes[0], methods[number], trials_here, given, ends[panel.block])
        for panel in beside:  # now that no panel is still to widen the scale that it shares
            panel.axes[0].set_xlim(left=ends[panel.block])
        beside[0].axes[0].set_yticks(range(len(methods[number])), [labels[name] for name in methods[number]])
    return figure


def _left_end(trials: pd.DataFrame) -> float:
    """Give the accuracy below which trials stand at the edge: as far below the chosen as those are apart."""
    chosen = trials[trials.chosen].accuracy
    middle, highest = float(chosen.median()), float(chosen.max())
    return max(0.0, middle - 3 * max(highest - middle, _LEAST_RANGE))


def _draw_trials(
    axes: Axes, methods: Sequence[str], trials: pd.DataFrame, given: Mapping[str, Look], low: float
) -> None:
    for method, rows in trials.groupby("method", sort=False):
        look, y = given[str(method)], methods.index(str(method))
        inside = rows[rows.accuracy >= low]
        axes.plot(inside.accuracy, np.full(len(inside), y), "|", color=look.colour, alpha=0.5, ms=5, mew=0.9)
        for marker, filled, part in (
            ("o", False, rows[rows.trial == 0]),
            (look.marker, True, rows[rows.chosen]),
        ):
            value = float(part.accuracy.iloc[0])
            face = look.colour if filled else "white"
            place, shape = (value, marker) if value >= low else (low, "<")
            axes.plot(place, y, shape, mfc=face, mec=look.colour, mew=0.8, ms=4.6, clip_on=False)
    axes.set_ylim(len(methods) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")


def _legend() -> list[Artist]:
    return [
        Line2D([], [], color=GREY, ls="", marker="|", ms=5, mew=0.9, alpha=0.6, label="a trial"),
        Line2D([], [], color=GREY, ls="", marker="o", mfc="white", ms=4.6, label="as configured"),
        Line2D([], [], color=GREY, ls="", marker="s", ms=4.6, label="chosen (filled, shape of the method)"),
        Line2D([], [], color=GREY, ls="", marker="<", ms=4.6, label="farther left"),
    ]
