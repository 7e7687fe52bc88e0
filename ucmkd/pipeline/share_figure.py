"""Draw where the time of the processor goes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import seaborn as sns
from matplotlib.figure import Figure

from ucmkd.figures.draw import save
from ucmkd.figures.style import COLUMN_WIDTH, EVEN, GOOD, RC
from ucmkd.pipeline.share import EVALUATION, PARTS, STUDENTS, TEACHERS

_ROW = 0.19
_TRAINING = "#8fc1e3"
_COLOURS = {TEACHERS: GOOD, STUDENTS: GOOD, EVALUATION: _TRAINING}


def draw_share(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw a bar for every part, training steps in another colour than the rest."""
    shown = {row["part"]: row["percent"] for row in rows if row["part"] in PARTS}
    with mpl.rc_context(RC):
        figure = Figure(figsize=(COLUMN_WIDTH, 0.5 + _ROW * len(shown)))
        axes = figure.subplots()
        sns.barplot(
            x=list(shown.values()),
            y=list(shown),
            hue=list(shown),
            palette={part: _COLOURS.get(part, EVEN) for part in shown},
            saturation=1,
            legend=False,
            ax=axes,
        )
        for bars in axes.containers:
            axes.bar_label(bars, fmt="%.1f", padding=2, fontsize=6.5)  # type: ignore[arg-type]
        axes.margins(x=0.12)
        axes.set_xlabel("Time of the processor (%)")
        axes.tick_params(axis="y", length=0)
    save(figure, path)
