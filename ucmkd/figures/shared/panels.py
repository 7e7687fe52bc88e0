"""Panels, one a block: rows of pairs, columns of regimes."""

from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ucmkd.evaluation.tables import Block, Tables, of_block, regimes_by_pair
from ucmkd.figures.style import COLUMN_WIDTH, PAGE_WIDTH, Look, controls_last

Rows = list[list[Block]]

_FLOW = 3
_WIDEST = 4
_PANEL_WIDTH = 2.5
_AROUND = 0.3
_TITLE = 0.36
_AXIS_LINE = 0.14
_LEGEND_LINE = 0.149
_CHARACTER = 0.0555


@dataclass(frozen=True)
class Panel:
    """One block's axes, from top to bottom; ``first`` in its row, in grid row number ``row``."""

    block: Block
    axes: tuple[Axes, ...]
    row: int
    first: bool


def block_rows(tables: Tables) -> Rows:
    """Arrange the blocks of a summary: rows of its own for each pair; those of one regime share rows."""
    rows: Rows = []
    for pair, regimes in regimes_by_pair(tables).items():
        row = [(pair, regime) for regime in regimes]
        if len(row) == 1 and rows and _has_room(rows[-1]):
            rows[-1] += row
        else:
            rows += _broken(row)
    return rows


def _broken(row: list[Block]) -> Rows:
    """Break a row that is too wide for the page into rows of nearly equal length."""
    lines = -(-len(row) // _WIDEST)
    length = -(-len(row) // lines)
    return [row[start : start + length] for start in range(0, len(row), length)]


def _has_room(row: Sequence[Block]) -> bool:
    return len({pair for pair, _ in row}) == len(row) < _FLOW


def by_block(tables: Tables, table: pd.DataFrame) -> tuple[Rows, dict[Block, pd.DataFrame]]:
    """Split a table by block; the rows name the blocks of which it says anything."""
    parts = {block: of_block(table, block) for row in block_rows(tables) for block in row}
    return rows_with(tables, parts), parts


def rows_with(tables: Tables, parts: Mapping[Block, Sized]) -> Rows:
    """Arrange the blocks of which there is anything to show."""
    kept = [[block for block in row if len(parts[block])] for row in block_rows(tables)]
    return [row for row in kept if row]


def methods_by_row(
    rows: Rows, of_blocks: Mapping[Block, pd.DataFrame], given: Mapping[str, Look]
) -> list[list[str]]:
    """List the methods that each row of panels says anything of, controls last."""
    told = [dict.fromkeys(name for block in row for name in of_blocks[block].method) for row in rows]
    return [controls_last(names, given) for names in told]


def panel_grid(
    rows: Rows,
    heights: Sequence[Sequence[float]],
    *,
    axis: str,
    legend: Sequence[Artist],
    labels: float = 0.0,
    common_scales: bool = True,
) -> tuple[Figure, list[Panel]]:
    """Make a figure with stacked axes for every block, titled with pair and regime.

    Parameters
    ----------
    rows : list of list of block
    heights : for each row, the height in inches of each storey
    axis : str
        What the horizontal axis of all panels shows.
    legend : sequence of Artist
        What the legend below all panels explains.
    labels : float
        Room in inches for names left of the first panel.
    common_scales : bool
        Whether axes of one row and storey share the vertical scale, and those of one pair the horizontal one.
    """
    columns = max(len(row) for row in rows)
    width = min(PAGE_WIDTH, max(COLUMN_WIDTH, labels + columns * _PANEL_WIDTH))
    storeys = [height for row in heights for height in row]
    height = sum(storeys) + _AROUND * len(storeys) + _TITLE * len(rows)
    figure = Figure(figsize=(width, height))
    _explain_below(figure, axis, legend, centre=(labels + width) / 2)
    grid = figure.add_gridspec(len(storeys), columns, height_ratios=storeys)
    panels: list[Panel] = []
    top = 0
    for number, (row, of_row) in enumerate(zip(rows, heights, strict=True)):
        for column, block in enumerate(row):
            same_row = panels[-column:] if column and common_scales else []
            same_pair = [panel for panel in same_row if panel.block[0] == block[0]]
            axes = tuple(
                figure.add_subplot(
                    grid[top + storey, column],
                    sharex=same_pair[0].axes[storey] if same_pair else None,
                    sharey=same_row[0].axes[storey] if same_row else None,
                )
                for storey in range(len(of_row))
            )
            for each in axes:
                each.tick_params(labelleft=column == 0 or not common_scales)
            axes[0].set_title(f"{block[0]}\n{block[1]}", linespacing=1.25)
            panels.append(Panel(block, axes, number, column == 0))
        top += len(of_row)
    return figure, panels


def _explain_below(figure: Figure, axis: str, legend: Sequence[Artist], *, centre: float) -> None:
    """Make the figure taller, and name the horizontal axis there with the legend under it."""
    width, above = figure.get_size_inches()
    lines = axis.split("\n")
    name = _AXIS_LINE * len(lines) + 0.06
    per_line = max(1, int(width / (0.55 + _CHARACTER * max(len(str(each.get_label())) for each in legend))))
    key = _LEGEND_LINE * -(-len(legend) // per_line) + 0.04
    height = above + name + key
    figure.set_size_inches(width, height)
    figure.set_layout_engine("constrained", rect=(0, (name + key) / height, 1, above / height))
    half = 0.033 * max(len(line) for line in lines)
    figure.text(
        min(centre, width - half) / width,
        (name + key - 0.04) / height,
        axis,
        ha="center",
        va="top",
        fontsize=8,
    )
    explained = figure.legend(
        handles=list(legend),
        loc="lower center",
        bbox_to_anchor=(0.5, 0.03 / height),
        ncols=min(per_line, len(legend)),
        borderaxespad=0,
        borderpad=0,
    )
    explained.set_in_layout(False)
