"""Draw every figure of a summary. A figure is a file of this package with a function ``draw(tables)``."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from ucmkd import discovery
from ucmkd.files import atomic_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

log = logging.getLogger(__name__)

KINDS = ("png", "svg")
_NOT_FIGURES = {"draw", "style"}


def figure_names() -> list[str]:
    """List the figures by name, without importing any."""
    return [name for name in discovery.names("ucmkd.figures") if name not in _NOT_FIGURES]


def draw_all(summary_folder: str | Path, figures_folder: str | Path) -> None:
    """Draw every figure as ``<name>.png`` and ``<name>.svg``, the same bytes for the same tables.

    Raises
    ------
    RecordError
        If a table of the summary is missing.
    """
    from ucmkd.evaluation.tables import read_tables

    tables = read_tables(summary_folder)
    for name in figure_names():
        figure = discovery.load("ucmkd.figures", name, "draw")(tables)
        for kind in KINDS:
            save(figure, Path(figures_folder) / f"{name}.{kind}")
            figure.set_layout_engine("none")  # stays as it was found: looking for it again is slow
        log.info("drew %s", name)


def save(figure: "Figure", path: Path) -> None:
    """Write a figure in the format that the file's ending says, leaving date and version out."""
    import matplotlib as mpl

    from ucmkd.figures.style import RC

    metadata = {"Date": None, "Creator": None} if path.suffix == ".svg" else {"Software": None}
    with mpl.rc_context(RC), atomic_file(path) as temporary:
        figure.savefig(temporary, metadata=metadata)
