"""Whether students with a smaller slack of the bound are better."""

import math

from matplotlib.figure import Figure

from ucmkd.evaluation.bound import slack_association, slack_points
from ucmkd.evaluation.tables import Tables
from ucmkd.figures.shared.bound import ENDING, NOTHING
from ucmkd.figures.style import COLUMN_WIDTH, in_style, statement

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#222222")
_MARKERS = ("o", "s", "^", "D", "v", "p", "<", "h")
"""Pairs take them in turn; as their numbers have no common factor, no two of the first 56 look the same."""


@in_style
def draw(tables: Tables) -> Figure:
    """Draw a point for every finished student, one colour a pair, and say how the two go together."""
    if tables["bound"].empty:
        return statement(NOTHING)
    points = slack_points(tables["bound"], tables["scores"], ENDING)
    pairs = list(dict.fromkeys(points.pair))
    figure = Figure(figsize=(1.5 * COLUMN_WIDTH, 3.1 + 0.15 * math.ceil(len(pairs) / 2)))
    axes = figure.add_subplot()
    axes.grid()
    for number, pair in enumerate(pairs):
        of_pair = points[points.pair == pair]
        axes.plot(
            of_pair.slack, 100 * of_pair.accuracy, _MARKERS[number % len(_MARKERS)], label=pair,
            color=_COLOURS[number % len(_COLOURS)], alpha=0.65, ms=3.6, mew=0,
        )  # fmt: skip
    if points.slack.min() < 0:
        axes.axvline(0, color="black", lw=0.9)
    found = slack_association(points)
    axes.set_xlabel(
        "Slack: teacher's error + τW − C (nats)\n"
        f"Spearman's ρ over {len(points)} students: {_number(found.overall)}; within pairs "
        f"{_number(found.within)};\ngiven the teacher's error {_number(found.given_teacher)}"
    )
    axes.set_ylabel("Test accuracy (%)")
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def _number(correlation: float) -> str:
    return "undefined" if math.isnan(correlation) else f"{correlation:+.2f}".replace("-", "−")
