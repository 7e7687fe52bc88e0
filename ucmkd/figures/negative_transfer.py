"""How often a teacher helps and how often it harms, seed by seed."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ucmkd.evaluation.baselines import EQUIVALENT, REFERENCE
from ucmkd.evaluation.headline import signed
from ucmkd.evaluation.tables import Tables
from ucmkd.figures.shared.gains import NO_REFERENCE, each, reference_gains
from ucmkd.figures.shared.legend import method_labels
from ucmkd.figures.shared.panels import by_block, methods_by_row, panel_grid
from ucmkd.figures.style import BAD, EVEN, GOOD, Look, in_style, looks, statement

_ROW = 0.19
_COLOURS = {"loss": BAD, "tie": EVEN, "win": GOOD}


@in_style
def draw(tables: Tables) -> Figure:
    """Draw a panel a block: bars count the seeds lost, tied and won, numbers are the worst seed's gain."""
    gains = reference_gains(tables)
    gains = gains[gains.variant == "default"]
    if gains.empty:
        return statement(NO_REFERENCE)
    given = looks(tables["costs"].method)
    labels = method_labels(tables)
    rows, of_blocks = by_block(tables, gains)
    methods = methods_by_row(rows, of_blocks, given)
    figure, panels = panel_grid(
        rows,
        [[_ROW * (len(names) + 0.6)] for names in methods],
        axis=f"Share of seeds (%) by gain over {REFERENCE}\nnumbers: gain of the worst seed (points)",
        legend=_legend(),
        labels=1.6,
    )
    for panel in panels:
        axes, names = panel.axes[0], methods[panel.row]
        _draw_bars(axes, names, of_blocks[panel.block], given)
        axes.set_yticks(range(len(names)), [labels[method] for method in names])
    return figure


def _draw_bars(axes: Axes, methods: Sequence[str], gains: pd.DataFrame, given: Mapping[str, Look]) -> None:
    axes.set(ylim=(len(methods) - 0.4, -0.6), xlim=(0, 100), xticks=(0, 50, 100))
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    for row in each(gains):
        y, left = methods.index(row.method), 0.0
        faint = 0.4 if given[row.method].control else 1.0
        for outcome, colour in _COLOURS.items():
            share = 100 * getattr(row, outcome) / row.n_seeds
            axes.barh(y, share, left=left, height=0.72, color=colour, alpha=faint, lw=0)
            left += share
        colour = BAD if row.worst_gain < 0 else "black"
        axes.text(103, y, signed(row.worst_gain), ha="left", va="center", fontsize=6.5, color=colour)
    axes.axvline(50, color="white", lw=0.8)


def _legend() -> list[Artist]:
    margin = 100 * EQUIVALENT["accuracy"]
    names = {
        "loss": f"lost more than {margin:g} points",
        "tie": "tied",
        "win": f"won more than {margin:g} points",
    }
    return [Patch(color=colour, label=names[outcome]) for outcome, colour in _COLOURS.items()]
