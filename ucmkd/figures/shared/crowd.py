"""Which methods can be followed by their line where a panel has too many of them."""

from collections.abc import Collection, Mapping

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.lines import Line2D

from ucmkd.evaluation.tables import Tables
from ucmkd.figures.shared.legend import method_lines
from ucmkd.figures.style import Look

MOST = 12
"""Methods, controls apart, that keep their looks in one panel."""

ENDS = 3
"""Methods with the highest, and with the lowest, values that keep theirs among more than ``MOST``."""

CROWD = Look("#cfcfcf", "o", "-", control=True)
"""The look of all others."""


def looks_in_a_crowd(values: pd.Series, given: Mapping[str, Look]) -> dict[str, Look]:
    """Give the methods of one panel their looks, and those that could not be followed that of the crowd.

    Parameters
    ----------
    values : Series
        What the panel shows of each method in the end; its index names the methods, controls among them.
        Controls always keep their looks; methods whose value is missing are of the crowd.
    given : mapping
        See :func:`ucmkd.figures.style.looks`.
    """
    others = values[[not given[method].control for method in values.index]]
    if len(others) > MOST:
        ranked = others.dropna().sort_values(kind="stable").index
        others = others[[*ranked[:ENDS], *ranked[-ENDS:]]]
    return {
        method: given[method] if given[method].control or method in others.index else CROWD
        for method in values.index
    }


def lines_in_a_crowd(tables: Tables, panels: Collection[Mapping[str, Look]]) -> list[Artist]:
    """Explain the lines of all panels' methods, those of the crowd together and last."""
    told = [method for panel in panels for method, look in panel.items() if look != CROWD]
    lines = method_lines(tables, told)
    if any(CROWD in panel.values() for panel in panels):
        lines.append(Line2D([], [], color=CROWD.colour, label="methods in between"))
    return lines
