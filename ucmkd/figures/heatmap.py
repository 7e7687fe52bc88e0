"""Gain of every method in every block at one glance."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ucmkd.evaluation.baselines import REFERENCE
from ucmkd.evaluation.headline import signed
from ucmkd.evaluation.tables import Block, Tables, of_block
from ucmkd.figures.shared.gains import NO_REFERENCE, each, reference_gains
from ucmkd.figures.shared.panels import by_block
from ucmkd.figures.style import (
    BAD,
    COLUMN_WIDTH,
    GOOD,
    PAGE_WIDTH,
    controls_last,
    in_style,
    looks,
    statement,
)

Array = NDArray[Any]

_SCALE = LinearSegmentedColormap.from_list("gain", ["#7a2f00", BAD, "#ffffff", GOOD, "#003a63"])
_CELL = 0.2
_NARROWEST = 0.3
_LABELS = 1.6
_BAR = 0.6
_NAMES = 1.75
_LEAST = 2.0
_CHARACTER = 0.062


@in_style
def draw(tables: Tables) -> Figure:
    """Draw methods as rows and blocks as columns, in bands where these are too many for one.

    Bold numbers have an interval that leaves out zero.
    """
    gains = reference_gains(tables)
    gains = gains[gains.variant == "default"]
    if gains.empty:
        return statement(NO_REFERENCE)
    blocks = [block for row in by_block(tables, gains)[0] for block in row]
    given = looks(tables["costs"].method)
    named = dict(zip(gains.method, gains.label, strict=True))
    methods = controls_last(named, given)
    values, clear = _matrices(gains, methods, blocks)
    bands = -(-len(blocks) // int((PAGE_WIDTH - _LABELS - _BAR) / _NARROWEST))
    columns = -(-len(blocks) // bands)
    width = min(PAGE_WIDTH, max(COLUMN_WIDTH, _LABELS + 0.62 * columns + _BAR))
    room = (width - _LABELS - _BAR) / columns
    height = max(_LEAST, _CELL * len(methods) * bands) + _NAMES * bands
    figure = Figure(figsize=(width, height))
    limit = max(1.0, float(np.nanquantile(np.abs(values), 0.9)))
    colours = ScalarMappable(Normalize(-limit, limit), _SCALE)
    controls = sum(given[method].control for method in methods)
    panels = list(figure.subplots(bands, squeeze=False)[:, 0])
    for start, axes in zip(range(0, len(blocks), columns), panels, strict=True):
        shown = slice(start, start + columns)
        axes.imshow(values[:, shown], cmap=colours.cmap, norm=colours.norm, aspect="auto")
        axes.set_xlim(-0.5, columns - 0.5)
        _write_numbers(axes, values[:, shown], clear[:, shown], limit, size=7 if columns <= 10 else 5.5)
        _name_sides(axes, [named[method] for method in methods], blocks[shown], room)
        if 0 < controls < len(methods):
            across = len(blocks[shown]) / columns
            axes.axhline(len(methods) - controls - 0.5, xmax=across, color="black", lw=1)
    extend = "both" if np.nanmax(np.abs(values)) > limit else "neither"
    bar = figure.colorbar(colours, ax=panels, extend=extend, pad=0.015, fraction=0.04, aspect=25 * bands)
    bar.set_label(f"Gain over {REFERENCE} (points)", fontsize=7)
    bar.outline.set_visible(False)
    return figure


def _matrices(gains: pd.DataFrame, methods: list[str], blocks: list[Block]) -> tuple[Array, Array]:
    """Arrange gains as (methods, blocks), NaN where a cell was not run, and say which are clear of zero."""
    values = np.full((len(methods), len(blocks)), np.nan)
    clear = np.zeros(values.shape, dtype=bool)
    for column, block in enumerate(blocks):
        for row in each(of_block(gains, block)):
            place = methods.index(row.method), column
            values[place] = row.gain
            clear[place] = row.ci_low > 0 or row.ci_high < 0
    return values, clear


def _write_numbers(axes: Axes, values: Array, clear: Array, limit: float, *, size: float) -> None:
    for (row, column), value in np.ndenumerate(values):
        if np.isnan(value):
            continue
        axes.text(
            column,
            row,
            signed(value),
            ha="center",
            va="center",
            fontsize=size,
            fontweight="bold" if clear[row, column] else "normal",
            color="white" if abs(value) > 0.55 * limit else "black",
        )


def _name_sides(axes: Axes, methods: list[str], blocks: list[Block], room: float) -> None:
    """Name rows and columns; pairs slanted if one is longer than its columns, each ``room`` inches wide."""
    axes.set_yticks(range(len(methods)), methods)
    regimes = [regime for _, regime in blocks]
    slant: dict[str, Any] = {"rotation": 35, "ha": "right"} if len(blocks) > 2 else {}
    axes.set_xticks(range(len(blocks)), regimes, **slant)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    pairs = [pair for pair, _ in blocks]
    crowded = len(pairs) > 1 and any(_CHARACTER * len(pair) > room * pairs.count(pair) for pair in pairs)
    place: dict[str, Any] = {"rotation": 40, "ha": "left"} if crowded else {"ha": "center"}
    for pair in dict.fromkeys(pairs):
        first, count = pairs.index(pair), pairs.count(pair)
        above: dict[str, Any] = {"xytext": (0, 3), "textcoords": "offset points", "va": "bottom"}
        axes.annotate(pair, (first + (count - 1) / 2, -0.5), fontsize=7.5, **above, **place)
        if first:
            axes.axvline(first - 0.5, color="white", lw=3)
