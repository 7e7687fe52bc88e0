"""Closed forms of the complementarity hypothesis against simulation."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from ucmkd.evaluation.tables import Tables
from ucmkd.figures.shared.legend import GREY
from ucmkd.figures.style import PAGE_WIDTH, Look, in_style, looks, statement

_HEIGHT = 3.2
_HEADROOM = 1.3
_DODGE = 0.018
"""Distance of neighbouring estimators, as a share of the axis."""

_CLASSES = "two classes"
_LABELS = {
    "gaussian_cca": "Gaussian (CCA)",
    "ksg": "KSG",
    "mixed_ksg": "mixed KSG",
    "infonce": "InfoNCE",
    "mine": "MINE",
    "probe": "linear probe",
}

Values = NDArray[np.float64]


@in_style
def draw(tables: Tables) -> Figure:
    """Draw risk by the teacher's weight, and estimated by true information of features and about classes."""
    rows = tables["simulation"]
    if rows.empty:
        return statement("The closed forms were not simulated: name cch under diagnose in the configuration.")
    figure = Figure(figsize=(PAGE_WIDTH, _HEIGHT))
    risk, between, about = figure.subplots(1, 3)
    _draw_risks(risk, rows[rows.kind == "risk"])
    information = rows[rows.kind == "information"]
    of_classes = information.case.str.startswith(_CLASSES)
    given = looks(information.estimator)
    for axes, points, what in (
        (between, information[~of_classes], "between Gaussians"),
        (about, information[of_classes], "about two classes"),
    ):
        _draw_estimates(axes, points, given)
        axes.set_title(f"Information {what}")
        axes.set_xlabel("True (nats)")
    between.set_ylabel("Estimated (nats)")
    return figure


def _draw_risks(axes: Axes, rows: pd.DataFrame) -> None:
    given = looks(rows.case)
    for case, points in rows.groupby("case", sort=False):
        look = given[str(case)]
        axes.plot(points.x, points.closed_form, color=look.colour, lw=1.0)
        _draw_intervals(axes, points.x.to_numpy(), points, look.colour)
        axes.plot(points.x, points.simulated, look.marker, color=look.colour, ms=3.4, mew=0, label=str(case))
    axes.set_title("Risk of distillation")
    axes.set(xlabel="Weight u of the teacher", ylabel="Excess risk", ylim=(0, _HEADROOM * rows.high.max()))
    axes.grid()
    _put_legend(axes, axes.get_legend_handles_labels()[0])


def _draw_estimates(axes: Axes, rows: pd.DataFrame, given: dict[str, Look]) -> None:
    axes.set_xscale("function", functions=(_signed_root, _signed_square))
    axes.set_yscale("function", functions=(_signed_root, _signed_square))
    most = 1.1 * max(rows.closed_form.max(), rows.high.max(), 0.1)
    names = list(dict.fromkeys(rows.estimator))
    axes.plot([0, most], [0, most], color="black", lw=0.7, zorder=1)
    for place, name in enumerate(names):
        shift = _DODGE * (place - (len(names) - 1) / 2) * np.sqrt(most)
        look = given[name]
        for case, points in rows[rows.estimator == name].groupby("case", sort=False):
            x = _signed_square(_signed_root(points.closed_form.to_numpy()) + shift)
            face = look.colour if _is_scalar(str(case)) else "white"
            _draw_intervals(axes, x, points, look.colour)
            axes.plot(x, points.simulated, look.marker, color=look.colour, mfc=face, mew=0.8, ms=3.6, ls="")
    edge = _signed_square(np.array([-2.5 * _DODGE * np.sqrt(most)]))[0]
    ticks = [tick for tick in (0, 0.1, 0.5, 1, 2, 4, 8) if tick < most]
    axes.set(xlim=(edge, most), ylim=(edge, most), xticks=ticks, yticks=ticks)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
    axes.grid()
    _put_legend(axes, [*(_mark(given[name], _LABELS.get(name, name)) for name in names), *_dimensions()])


def _draw_intervals(axes: Axes, x: Values, points: pd.DataFrame, colour: str) -> None:
    axes.vlines(x, points.low, points.high, color=colour, lw=0.9, alpha=0.7)


def _put_legend(axes: Axes, handles: list[Artist]) -> None:
    axes.legend(handles=handles, loc="upper left", fontsize=6, handletextpad=0.3, borderaxespad=0.2)


def _mark(look: Look, label: str) -> Artist:
    return Line2D([], [], color=look.colour, ls="", marker=look.marker, ms=4, label=label)


def _dimensions() -> list[Artist]:
    style: dict[str, Any] = {"color": GREY, "ls": "", "marker": "o", "ms": 4, "mew": 0.8}
    return [
        Line2D([], [], label="1 dimension", **style),
        Line2D([], [], label="5 dimensions", **{**style, "mfc": "white"}),
    ]


def _is_scalar(case: str) -> bool:
    return case.endswith("1 dimension")


def _signed_root(values: Values) -> Values:
    """Give the scale of the axes: most of what is known is near zero, and a dodged mark may be below."""
    roots: Values = np.sign(values) * np.sqrt(np.abs(values))
    return roots


def _signed_square(values: Values) -> Values:
    squares: Values = values * np.abs(values)
    return squares
