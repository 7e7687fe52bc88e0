"""Draw the picture of a data card: a row of samples for each class."""

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ucmkd.data.prepared import Prepared, read_prepared
from ucmkd.data_cards.samples import PER_CLASS, shown_rows
from ucmkd.data_cards.shorten import cut
from ucmkd.figures.draw import save
from ucmkd.figures.style import BAD, GOOD, RC, statement

Array = NDArray[Any]
Tile = Callable[[Axes, Array], None]

WIDTH = 4.8
_LABEL, _GAP, _ROW = 1.15, 0.05, 0.15
_TILE = (WIDTH - _LABEL - (PER_CLASS - 1) * _GAP) / PER_CLASS
"""Lengths in inches: the picture, its labels, what is between samples, a table's row, a sample's width."""

_NAME, _LINE, _LINES = 36, 13, 3
"""Most characters of a class name, of a line of it, and lines."""

_LIMIT = 3.0
"""Standard deviations at which the colours of a table end."""

_SCALE = LinearSegmentedColormap.from_list("standardised", [BAD, "#ffffff", GOOD])


def draw_card(folder: str | Path, picture: str | Path) -> None:
    """Draw some training samples of a stored dataset, the same bytes for the same data.

    Parameters
    ----------
    folder : path
        Of the dataset; of its inputs only the rows shown are read.
    picture : path
        A PNG file. Texts are not drawn: the picture says so.

    Raises
    ------
    DataError
        If the dataset is damaged.
    """
    save(card_figure(read_prepared(folder)), Path(picture))


def card_figure(prepared: Prepared) -> Figure:
    """Draw some training samples of each class, as fits the modality."""
    with mpl.rc_context(RC | {"figure.constrained_layout.use": False}):
        return _FIGURES[prepared.card["modality"]](prepared)


def first_frame(image: Array) -> Array:
    """Take the first of several frames; of an odd number of channels, the first."""
    frame = image[0] if image.ndim == 4 else image
    return frame if len(frame) in (1, 3) else frame[:1]


def _images(prepared: Prepared) -> Figure:
    shown = {
        label: [first_frame(sample) for sample in samples] for label, samples in _shown(prepared).items()
    }
    low, high = (0.0, 255.0) if prepared.inputs.dtype == np.uint8 else _range(shown)

    def draw(axes: Axes, image: Array) -> None:
        scaled = np.clip((image.astype(np.float64) - low) / (high - low or 1.0), 0, 1).transpose(1, 2, 0)
        axes.imshow(scaled if len(image) == 3 else scaled[..., 0], cmap="gray", vmin=0, vmax=1)

    *_, height, width = prepared.card["shape"]
    return _tiles(prepared, shown, min(max(height / width, 0.5), 1.6), draw)


def _spectrograms(prepared: Prepared) -> Figure:
    shown = _shown(prepared)
    low, high = _range(shown, 1, 99)

    def draw(axes: Axes, sample: Array) -> None:
        axes.imshow(sample[0], origin="lower", aspect="auto", cmap="magma", vmin=low, vmax=high)

    return _tiles(prepared, shown, 0.7, draw)


def _lines(prepared: Prepared) -> Figure:
    shown = _shown(prepared)
    low, high = _range(shown)
    margin = 0.05 * (high - low) or 1.0
    colours = mpl.colormaps["viridis"](np.linspace(0, 0.85, prepared.card["shape"][0]))

    def draw(axes: Axes, sample: Array) -> None:
        for channel, colour in zip(sample, colours, strict=True):
            axes.plot(channel, color=colour, lw=0.7)
        axes.set_ylim(low - margin, high + margin)
        axes.margins(x=0.02)
        axes.set_facecolor("#f4f4f4")

    return _tiles(prepared, shown, 0.6, draw)


def _table(prepared: Prepared) -> Figure:
    """Draw samples as rows and columns as columns, standardised with the numbers of the card."""
    scale = prepared.card["normalisation"]
    shown = _shown(prepared)
    values = (np.concatenate(list(shown.values())) - scale["mean"]) / scale["std"]
    height = _ROW * len(values)
    total = height + 0.75
    figure = Figure(figsize=(WIDTH, total))
    axes = figure.add_axes((_LABEL / WIDTH, 0.68 / total, 1 - (_LABEL + 0.05) / WIDTH, height / total))
    image = axes.imshow(values, aspect="auto", cmap=_SCALE, vmin=-_LIMIT, vmax=_LIMIT)
    axes.set_yticks([])
    axes.set_xlabel("Column", labelpad=1)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.tick_params(length=2)
    axes.spines[:].set_visible(False)
    start = 0
    for label, samples in shown.items():
        if start:
            axes.axhline(start - 0.5, color="white", lw=3)
            axes.axhline(start - 0.5, color="#555555", lw=0.6)
        middle = start + len(samples) / 2
        _name(figure, prepared.card["classes"][label], 1 - (0.07 + _ROW * middle) / total)
        start += len(samples)
    bar = figure.colorbar(
        image,
        cax=figure.add_axes((_LABEL / WIDTH, 0.24 / total, 1 - (_LABEL + 0.05) / WIDTH, 0.08 / total)),
        orientation="horizontal",
        extend="both",
    )
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=2, pad=1)
    return figure


def _texts(prepared: Prepared) -> Figure:
    return statement("Texts are not drawn; the report shows some as they are")


def _tiles(prepared: Prepared, shown: dict[int, Any], ratio: float, draw: Tile) -> Figure:
    """Lay samples out, a row for each class; ``ratio`` is the height of a sample over its width."""
    step = ratio * _TILE + _GAP
    total = step * len(shown) - _GAP
    figure = Figure(figsize=(WIDTH, total))
    for row, (label, samples) in enumerate(shown.items()):
        top = total - row * step
        for column, sample in enumerate(samples):
            left = _LABEL + column * (_TILE + _GAP)
            place = (left / WIDTH, (top - ratio * _TILE) / total, _TILE / WIDTH, ratio * _TILE / total)
            axes = figure.add_axes(place)
            draw(axes, sample)
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_visible(False)
        _name(figure, prepared.card["classes"][label], (top - ratio * _TILE / 2) / total)
    return figure


def _name(figure: Figure, name: str, height: float) -> None:
    """Write the name of a class, which may hold anything, beside its samples."""
    lines = textwrap.wrap(cut(name, _NAME), _LINE, max_lines=_LINES, placeholder="…")
    figure.text(
        (_LABEL - 0.1) / WIDTH,
        height,
        "\n".join(lines),
        ha="right",
        va="center",
        fontsize=9.5,
        parse_math=False,
    )


def _shown(prepared: Prepared) -> dict[int, Array]:
    return {label: np.asarray(prepared.inputs[rows]) for label, rows in shown_rows(prepared).items()}


def _range(shown: dict[int, Any], low: float = 0, high: float = 100) -> tuple[float, float]:
    """Find percentiles of all values shown."""
    values = np.concatenate([np.ravel(samples) for samples in shown.values()])
    least, most = np.percentile(values, [low, high])
    return float(least), float(most)


_FIGURES: dict[str, Callable[[Prepared], Figure]] = {
    "image": _images,
    "audio": _spectrograms,
    "text": _texts,
    "tabular": _table,
    "sequence": _lines,
}
