"""What pairing does to each term of the bound."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ucmkd.evaluation.tables import Tables, regimes_by_pair
from ucmkd.figures.shared.bound import NOTHING, by_term, few_methods
from ucmkd.figures.shared.legend import method_marks
from ucmkd.figures.shared.panels import Panel, by_block, panel_grid
from ucmkd.figures.style import Look, controls_last, in_style, looks, statement

_TERMS = {
    "error/teacher": "teacher's\nerror",
    "FA/exact": "τW",
    "LA/entropy": "LA",
    "error/student": "student's\nerror",
}
_HEIGHTS = (0.75, 0.75, 0.75, 1.35)
_FLOW = 3
_SPREAD = 0.3


@in_style
def draw(tables: Tables) -> Figure:
    """Draw a column for every pair: pairing regimes on the horizontal axis, a storey for every term."""
    if tables["bound"].empty:
        return statement(NOTHING)
    shown = few_methods(tables["bound"])
    blocks, terms = by_block(tables, by_term(shown))
    there = {block for row in blocks for block in row}
    by_pair = {
        pair: [regime for regime in regimes if (pair, regime) in there]
        for pair, regimes in regimes_by_pair(tables).items()
    }
    pairs = [(pair, _count(regimes)) for pair, regimes in by_pair.items() if regimes]
    rows = [pairs[start : start + _FLOW] for start in range(0, len(pairs), _FLOW)]
    given = looks(tables["costs"].method)
    methods = controls_last(dict.fromkeys(shown.method), given)
    figure, panels = panel_grid(
        rows,
        [_HEIGHTS] * len(rows),
        axis="Pairing regime",
        legend=method_marks(tables, methods),
        labels=0.5,
    )
    for panel in panels:
        pair = panel.block[0]
        _prepare(panel, by_pair[pair])
        for x, regime in enumerate(by_pair[pair]):
            _draw_regime(panel, x, terms[pair, regime], methods, given)
    return figure


def _count(regimes: list[str]) -> str:
    return f"{len(regimes)} regime" + ("s" if len(regimes) > 1 else "")


def _prepare(panel: Panel, names: list[str]) -> None:
    for axes, name in zip(panel.axes, _TERMS.values(), strict=True):
        axes.grid(axis="y")
        axes.set_xlim(-0.6, len(names) - 0.4)
        axes.set_xticks(range(len(names)), names, rotation=35, ha="right")
        axes.tick_params(labelbottom=axes is panel.axes[-1], axis="x", length=0)
        if panel.first:
            axes.set_ylabel(name)


def _draw_regime(
    panel: Panel, x: int, terms: pd.DataFrame, methods: list[str], given: dict[str, Look]
) -> None:
    offsets = np.linspace(-_SPREAD, _SPREAD, len(methods)) if len(methods) > 1 else np.zeros(1)
    for method, offset in zip(methods, offsets, strict=True):
        of_method, look = terms[terms.method == method], given[method]
        if of_method.empty:
            continue
        for axes, term in zip(panel.axes, _TERMS, strict=True):
            seeds = of_method[term]
            axes.plot(np.full(len(seeds), x + offset), seeds, ".", color=look.colour, alpha=0.45, ms=3, mew=0)
            axes.plot(x + offset, seeds.mean(), look.marker, color=look.colour, mec="white", mew=0.4, ms=4.6)
