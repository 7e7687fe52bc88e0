"""Figures of the complementarity hypothesis, on made-up teachers and students."""

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from ucmkd.evaluation.selection import MAIN_MARGIN, NATURAL_ZERO, NO_TEACHER, SELECTION, criteria_table
from ucmkd.figures import cch, selection
from ucmkd.figures.style import looks

STUDENTS = {
    **{f"mfeat_{view}": 5 for view in ("mor", "zer", "fou")},
    **{f"rosmap_{omics}": 2 for omics in ("mrna", "methylation", "mirna")},
    "wikipedia_image": 1, "wikipedia_text": 1, "digit_profiles": 1, "mfh_student": 1, "cch_student": 1,
}  # fmt: skip
LABELS = {"kd": "KD", "fitnet": "FitNet (pooled)", "class_mean_soft": "Class-mean soft labels"}
METHODS = [("kd", "default"), ("kd", "light"), ("fitnet", "default"), ("class_mean_soft", "default")]


def made(students: dict[str, int] = STUDENTS, methods: Any = METHODS) -> dict[str, pd.DataFrame]:
    """Make tables in which margins tell something of gains, once."""
    tables = _made(tuple(students.items()), tuple(methods))
    return {name: table.copy() for name, table in tables.items()}


@cache
def _made(students: tuple[tuple[str, int], ...], methods: Any) -> dict[str, pd.DataFrame]:
    draw = np.random.default_rng(0)
    rows: list[tuple[Any, ...]] = []
    for method, variant in methods:
        for criterion, natural_zero in NATURAL_ZERO.items():
            for student, teachers in students:
                of = ("paired", method, variant, criterion)
                zero = 0.0 if natural_zero else np.nan
                rows.append((student, NO_TEACHER, "", *of, *[zero] * 3, 0.0, 0.0, 0.0))
                for number in range(teachers):
                    gain, width = draw.normal(0.3, 1.2), abs(draw.normal(0, 0.4))
                    value = 0.4 * gain + 0.3 * draw.normal()
                    rows.append((student, f"t{number}", f"t{number}_{student}", *of, value, value - 0.1,
                                 value + 0.1, gain, gain - width, gain + width))  # fmt: skip
    table = pd.DataFrame(rows, columns=list(SELECTION))
    costs = pd.DataFrame({"method": list(LABELS), "label": list(LABELS.values())})
    return {"selection": table, "criteria": criteria_table(table), "costs": costs}


def texts(figure: Figure) -> list[Any]:
    FigureCanvasAgg(figure).draw()
    found = [text for text in figure.findobj(lambda each: hasattr(each, "get_text")) if text.get_text()]
    return [text for text in found if text.get_visible()]


def said(figure: Figure) -> str:
    return " ".join(text.get_text() for text in texts(figure))


@pytest.mark.parametrize("figure", [cch, selection])
@pytest.mark.parametrize(
    ("students", "methods"),
    [(STUDENTS, METHODS), ({"s": 2}, METHODS[:1]), ({"s": 1, "z": 3}, METHODS[2:])],
    ids=["all", "one student", "without kd"],
)
def test_texts_are_whole_and_readable(figure: Any, students: dict[str, int], methods: Any) -> None:
    drawn = figure.draw(made(students, methods))
    canvas = FigureCanvasAgg(drawn)
    canvas.draw()
    page = drawn.bbox.padded(1)
    shown = [axis.label for axes in drawn.axes for axis in (axes.xaxis, axes.yaxis)]
    shown += [axes.title for axes in drawn.axes] + [text for axes in drawn.axes for text in axes.texts]
    shown += drawn.legends[0].get_texts()
    for text in (text for text in shown if text.get_text()):
        box = text.get_window_extent(canvas.get_renderer())
        assert page.contains(box.x0, box.y0), text.get_text()
        assert page.contains(box.x1, box.y1), text.get_text()
        assert text.get_fontsize() >= 5.5
    assert drawn.get_figwidth() <= 7.2


@pytest.mark.parametrize("figure", [cch, selection])
def test_nothing_gives_a_statement_that_says_how_to_get_something(figure: Any) -> None:
    tables = made()
    empty = {name: tables[name][:0] for name in ("selection", "criteria")} | {"costs": tables["costs"]}
    drawn = figure.draw(empty)
    assert "put cch under diagnose" in said(drawn)
    for text in texts(drawn):
        box = text.get_window_extent()
        assert drawn.bbox.x0 <= box.x0 < box.x1 <= drawn.bbox.x1


def test_margins_without_a_number_give_a_statement() -> None:
    tables = made({"s": 2})
    unknown = tables["selection"].assign(value=np.nan)
    drawn = {"selection": unknown, "criteria": criteria_table(unknown), "costs": tables["costs"]}
    assert "put cch under diagnose" in said(cch.draw(drawn))
    assert "No criterion of selection was judged" in said(selection.draw(drawn))


def points(figure: Figure, panel: int) -> set[tuple[float, float, str]]:
    marks = [line for line in figure.axes[panel].lines if len(line.get_xdata()) == 1]
    return {(float(line.get_xdata()[0]), float(line.get_ydata()[0]), to_hex(line.get_color()))
            for line in marks}  # fmt: skip


def test_every_combination_is_a_point_in_the_colour_of_its_student() -> None:
    tables = made()
    figure = cch.draw(tables)
    table = tables["selection"]
    chosen = table[(table.method == "kd") & (table.variant == "default") & (table.teacher != NO_TEACHER)]
    given = looks(STUDENTS)
    for panel, criterion in enumerate([MAIN_MARGIN, *(n for n in NATURAL_ZERO if n.startswith("cch_")
                                                      and n != MAIN_MARGIN)]):  # fmt: skip
        rows = chosen[chosen.criterion == criterion]
        expected = {(row.value, row.gain_points, given[row.student].colour)
                    for row in rows.itertuples()}  # fmt: skip
        assert points(figure, panel) == expected
        assert len(expected) == sum(STUDENTS.values())
    assert "Gain of KD over ce_teacher_recipe (points)" in said(figure)


def test_every_criterion_has_its_numbers_in_every_panel() -> None:
    tables = made()
    figure = selection.draw(tables)
    judged = tables["criteria"]
    for panel, (name, scale) in enumerate([("regret_points", 1), ("auroc", 1), ("harmful_share", 100)]):
        drawn = sorted(float(line.get_xdata()[0]) for line in figure.axes[panel].lines
                       if len(line.get_xdata()) == 1)  # fmt: skip
        assert drawn == pytest.approx(sorted(scale * judged[name]))


def test_the_line_of_never_distilling_is_the_regret_of_taking_none() -> None:
    """Student s could gain 2, z nothing: 1 on average."""
    table = made({"s": 2, "z": 1}, METHODS[:1])["selection"]
    gains = {("s", "t0"): 2.0, ("s", "t1"): -1.0, ("z", "t0"): -3.0}
    keys = zip(table.student, table.teacher, strict=True)
    table["gain_points"] = [gains.get(key, 0.0) for key in keys]
    assert selection._never_distilling(table) == {("kd", "default"): pytest.approx(1.0)}


@pytest.mark.parametrize("figure", [cch, selection])
def test_drawing_leaves_the_tables_as_they_are(figure: Any) -> None:
    tables = made()
    before = {name: table.copy() for name, table in tables.items()}
    figure.draw(tables)
    for name, table in tables.items():
        pd.testing.assert_frame_equal(table, before[name])
