"""The figure of what tuning tried."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from tests.evaluation.synthetic import LABELS
from ucmkd.evaluation.trials import COLUMNS
from ucmkd.figures.tuning import draw

METHODS = ["ce", "label_smoothing", "kd", "ucmkd_paper"]
TRIALS, STUDENTS = 5, 2


@pytest.fixture
def tuned(summary_of):
    """Give a summary in which the third trial of every method is the best, and one trial of KD fails."""
    rows = []
    for pair in ("handwritten_spoken", "handwritten_profiles"):
        for method in METHODS:
            regime = "class_cond" if method in ("kd", "ucmkd_paper") else "alone"
            for trial in range(TRIALS):
                for seed in range(STUDENTS):
                    score = 0.8 + 0.01 * trial if trial < 3 else 0.75
                    score = 0.1 if (method, trial) == ("kd", 4) else score + 0.002 * seed
                    changes = '{"weight": 2.0}' if trial else "{}"
                    rows.append((pair, regime, method, method.upper(), trial, -seed, 1.0, changes, score,
                                 0.5, trial == 2))  # fmt: skip
    return summary_of("default") | {"trials": pd.DataFrame(rows, columns=list(COLUMNS))}


def marks(axes, shape):
    return sorted(
        (float(line.get_ydata()[0]), float(line.get_xdata()[0]))
        for line in axes.lines
        if line.get_marker() == shape
    )


def test_a_panel_shows_what_was_configured_and_what_was_chosen(tuned):
    figure = draw(tuned)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [
        LABELS[name] for name in ("kd", "ucmkd_paper", "ce", "label_smoothing")
    ]
    mean = 100 * (0.8 + 0.001)
    hollow = [line for axes in figure.axes for line in axes.lines if line.get_markerfacecolor() == "white"]
    assert [float(line.get_xdata()[0]) for line in hollow] == pytest.approx([mean] * len(hollow))
    strokes = np.concatenate(
        [line.get_xdata() for axes in figure.axes for line in axes.lines if line.get_marker() == "|"]
    )
    assert strokes.max() == pytest.approx(mean + 2)
    assert strokes.min() > 50


def test_a_method_that_fails_as_configured_stands_at_the_edge(tuned):
    trials = tuned["trials"].copy()
    trials.loc[(trials.method == "kd") & (trials.trial == 0), "val_accuracy"] = 0.1
    figure = draw(tuned | {"trials": trials})
    axes = next(axes for axes in figure.axes if marks(axes, "<"))
    assert [x for _, x in marks(axes, "<")] == [axes.get_xlim()[0]]


def test_no_text_is_cut_off(tuned):
    figure = draw(tuned)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    page = figure.bbox.padded(1)
    for axes in figure.axes:
        for label in axes.get_yticklabels():
            box = label.get_window_extent(canvas.get_renderer())
            assert not label.get_text() or page.contains(box.x0, box.y0)
