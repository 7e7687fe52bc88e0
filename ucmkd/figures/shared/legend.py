"""What stands for a method in a legend."""

from collections.abc import Iterable

from matplotlib.artist import Artist
from matplotlib.lines import Line2D

from ucmkd.evaluation.tables import Tables
from ucmkd.figures.style import controls_last, looks

GREY = "#444444"
"""The colour of what a legend explains for all methods."""


def method_lines(tables: Tables, methods: Iterable[str]) -> list[Artist]:
    """Explain the lines of methods, controls last."""
    given, labels = looks(tables["costs"].method), method_labels(tables)
    return [
        Line2D([], [], color=given[method].colour, ls=given[method].dashes, label=labels[method])
        for method in controls_last(dict.fromkeys(methods), given)
    ]


def method_marks(tables: Tables, methods: Iterable[str]) -> list[Artist]:
    """Explain the marks of methods, controls last."""
    given, labels = looks(tables["costs"].method), method_labels(tables)
    shown = controls_last(dict.fromkeys(methods), given)
    return [
        Line2D([], [], color=look.colour, ls="", marker=look.marker, ms=5, label=labels[method])
        for method, look in ((method, given[method]) for method in shown)
    ]


def method_labels(tables: Tables) -> dict[str, str]:
    """Give the label of every method."""
    costs = tables["costs"]
    return dict(zip(costs.method, costs.label, strict=True))
