"""One style for every figure: fonts, sizes, and the look of a method, the same wherever it appears."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from ucmkd.evaluation.baselines import BASELINES
from ucmkd.evaluation.tables import Tables

COLUMN_WIDTH = 3.5
PAGE_WIDTH = 7.2
"""Widths in inches of a figure that spans one column, or both, of a printed page."""

RC: dict[Any, Any] = {
    "figure.constrained_layout.use": True,
    "figure.dpi": 150,
    "savefig.dpi": 150,
    "figure.facecolor": "white",
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.edgecolor": "#555555",
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.5,
    "xtick.color": "#333333",
    "ytick.color": "#333333",
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.2,
    "svg.fonttype": "path",
    "svg.hashsalt": "ucmkd",
}

GOOD, EVEN, BAD = "#0072b2", "#d9d9d9", "#d55e00"
"""Colours of a gain, a tie and a loss."""

_COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#332288",
    "#882255",
    "#999933",
    "#44aa99",
    "#aa4499",
    "#7a4a1e",
)
_MARKERS = ("o", "s", "^", "D", "v", "p", "<", "h", ">", "d", "8", "X")
_GREYS = ("#111111", "#7d7d7d", "#4d4d4d", "#9c9c9c", "#636363", "#888888")
_DASHES = ("--", ":", "-.", (0, (6, 1.5, 1, 1.5, 1, 1.5)), (0, (2, 1.2)), (0, (8, 2)))


@dataclass(frozen=True)
class Look:
    """How a method is drawn; ``dashes`` is a line style of matplotlib."""

    colour: str
    marker: str
    dashes: str | tuple[float, tuple[float, ...]]
    control: bool


CONTROL = Look("#6e6e6e", "o", "--", control=True)
"""The look of control variants."""


def looks(methods: Iterable[str]) -> dict[str, Look]:
    """Give every method its look.

    The colour follows from the method's name alone unless an earlier name in the alphabet has taken it.
    Controls are grey. Beyond twelve methods colours repeat with another marker and line.
    """
    given: dict[str, Look] = {}
    taken: set[tuple[int, int]] = set()
    for name in sorted(set(methods)):
        if name in BASELINES:
            place = BASELINES.index(name) % len(_GREYS)
            given[name] = Look(_GREYS[place], _MARKERS[place], _DASHES[place], control=True)
            continue
        slot = int(hashlib.sha256(name.encode()).hexdigest(), 16) % len(_COLOURS)
        turn = len(taken) // len(_COLOURS)
        while (turn, slot) in taken:
            slot = (slot + 1) % len(_COLOURS)
        taken.add((turn, slot))
        marker = _MARKERS[(slot + 5 * turn) % len(_MARKERS)]
        given[name] = Look(_COLOURS[slot], marker, "-" if turn == 0 else _DASHES[turn - 1], control=False)
    return given


def controls_last(methods: Iterable[str], given: Mapping[str, Look]) -> list[str]:
    """Order methods for a figure: as they come, controls after the others."""
    return sorted(methods, key=lambda method: given[method].control)


def in_style(draw: Callable[[Tables], Figure]) -> Callable[[Tables], Figure]:
    """Draw a figure in the style of all figures, whatever the settings around it."""

    @wraps(draw)
    def styled(tables: Tables) -> Figure:
        with mpl.rc_context(RC):
            return draw(tables)

    return styled


def statement(text: str) -> Figure:
    """Say in words why there is nothing to draw."""
    figure = Figure(figsize=(PAGE_WIDTH, 0.8))
    figure.text(0.5, 0.5, text, ha="center", va="center", color="#555555", fontsize=9)
    return figure
