import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from ucmkd.evaluation.simulation import COLUMNS, simulation_table
from ucmkd.figures.closed_forms import draw
from ucmkd.information.estimates import ABOUT_LABELS, BETWEEN


def row(kind, case, x, estimator, closed_form, simulated):
    return (kind, case, x, estimator, closed_form, simulated, simulated - 0.1, simulated + 0.1)


@pytest.fixture
def table():
    rows = [row("risk", case, u, "", u**2, u**2) for case in ("helps", "hurts") for u in (0.0, 0.5, 1.0)]
    for kind, names in (("Gaussian", BETWEEN), ("two classes", ABOUT_LABELS)):
        rows += [
            row("information", f"{kind}, {size}", x, name, x, 0.9 * x + 0.1)
            for size in ("1 dimension", "5 dimensions")
            for x in (0.0, 0.7)
            for name in names
        ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def texts(figure):
    FigureCanvasAgg(figure).draw()
    return [text for axes in figure.axes for text in axes.get_legend().get_texts()]


def test_every_case_and_estimator_is_in_a_legend(table):
    figure = draw({"simulation": table})
    written = [text.get_text() for text in texts(figure)]
    assert written == [
        "helps", "hurts",
        "Gaussian (CCA)", "KSG", "InfoNCE", "MINE", "1 dimension", "5 dimensions",
        "linear probe", "mixed KSG", "Gaussian (CCA)", "1 dimension", "5 dimensions",
    ]  # fmt: skip


def test_marks_stand_at_their_values(table):
    risk, between, _ = draw({"simulation": table}).axes
    marks = [line for line in risk.lines if line.get_marker() not in ("None", "")]
    assert [line.get_ydata().tolist() for line in marks] == [[0.0, 0.25, 1.0]] * 2
    estimates = [line for line in between.lines if line.get_marker() not in ("None", "")]
    assert all(np.allclose(line.get_ydata(), [0.1, 0.73]) for line in estimates)
    assert len(estimates) == 2 * len(BETWEEN)


def test_no_text_is_cut_off(table):
    figure = draw({"simulation": table})
    legends = texts(figure)
    page = figure.bbox.padded(1)
    for text in [*legends, *(axes.title for axes in figure.axes)]:
        box = text.get_window_extent(figure.canvas.get_renderer())
        assert page.contains(box.x0, box.y0), text.get_text()
        assert page.contains(box.x1, box.y1), text.get_text()


def test_nothing_to_draw_is_said_with_the_remedy():
    figure = draw({"simulation": simulation_table([])})
    assert "diagnose" in figure.texts[0].get_text()
