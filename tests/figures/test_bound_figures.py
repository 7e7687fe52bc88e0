"""Figures of the bound, drawn from made-up tables."""

from functools import cache
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from tests.figures.test_figures import Drawn
from ucmkd.evaluation.bound import CELL, SHARE, TERM, slack_association, slack_points
from ucmkd.evaluation.tables import Tables
from ucmkd.figures import bound_regimes, bound_terms, kappa, slack
from ucmkd.figures.shared.bound import MOST, few_methods
from ucmkd.figures.style import looks

SHAPES = ("default", "many pairs of one regime", "four regimes", "no reference, one seed")
FIGURES = ("bound_terms", "slack", "bound_regimes", "kappa")


def diagnosed(tables: Tables, alignment: float = 5.0) -> Tables:
    """Add a bound to the tables of a summary; terms are sums of round numbers and a little noise."""
    draw = np.random.default_rng(0)
    terms: list[Any] = []
    shares: list[Any] = []
    scores = tables["scores"][(tables["scores"].split == "test") & (tables["scores"].metric == "accuracy")]
    for row in scores.itertuples():
        cell = (row.pair, row.regime, row.method, row.variant, row.method, row.seed)
        error, c = 1.5 - row.value + 0.05 * draw.normal(), 0.9
        fa = alignment * (1 + 0.1 * draw.normal())
        values = {"error/teacher": 0.2, "error/student": error, "FA/exact": fa, "C/entropy": c,
                  "LA/entropy": error - c, "slack/entropy": 0.2 + fa - c}  # fmt: skip
        for ending in ("", "_calibrated"):
            terms += [(*cell, name + ending, value) for name, value in values.items()]
        weights = draw.dirichlet(np.geomspace(5, 0.05, 20))
        shares += [(*cell, low / 20, (low + 1) / 20, share) for low, share in enumerate(weights)]
    return tables | {
        "bound": pd.DataFrame(terms, columns=[*CELL, *TERM]),
        "kappa": pd.DataFrame(shares, columns=[*CELL, *SHARE]),
    }


def empty(tables: Tables) -> Tables:
    return tables | {
        "bound": pd.DataFrame(columns=[*CELL, *TERM]), "kappa": pd.DataFrame(columns=[*CELL, *SHARE])
    }  # fmt: skip


@pytest.fixture(scope="module")
def drawn(summary_of: Any) -> Any:
    """Draw a figure of a shape, once."""
    return cache(lambda name, shape: Drawn(name, diagnosed(summary_of(shape))))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", FIGURES)
class TestEveryFigure:
    def test_no_text_is_cut_off(self, name: str, shape: str, drawn: Any) -> None:
        figure = drawn(name, shape).figure
        page = figure.bbox.padded(1)
        for text in drawn(name, shape).texts:
            box = text.get_window_extent(figure.canvas.get_renderer())
            assert page.contains(box.x0, box.y0), text.get_text()
            assert page.contains(box.x1, box.y1), text.get_text()

    def test_every_font_is_readable_at_the_width_of_a_page(self, name: str, shape: str, drawn: Any) -> None:
        assert min(text.get_fontsize() for text in drawn(name, shape).texts) >= 5.5
        assert drawn(name, shape).figure.get_figwidth() <= 7.2


@pytest.mark.parametrize("name", FIGURES)
def test_without_a_diagnosis_the_figure_says_how_to_get_one(name: str, summary_of: Any) -> None:
    (text,) = Drawn(name, empty(summary_of("default"))).texts
    assert "diagnose" in text.get_text()


class TestFewMethods:
    def table(self, *methods: str) -> pd.DataFrame:
        rows = [(method, variant) for method in methods for variant in ("default", "random_teacher")]
        return pd.DataFrame(rows, columns=["method", "variant"])

    def test_default_variants_of_ce_and_ucmkd_come_before_others(self) -> None:
        given = self.table("at", "kd", "ucmkd_sumall", "ce", "ucmkd_paper", "ucmkd_released")
        chosen = few_methods(given)
        assert set(chosen.method) == {"ce", "ucmkd_paper", "ucmkd_released", "ucmkd_sumall"}
        assert set(chosen.variant) == {"default"}

    def test_others_are_shown_where_there_is_room_and_baselines_last(self) -> None:
        given = self.table("ce_matched", "ce_teacher_recipe", "at", "ce", "kd")
        assert set(few_methods(given).method) == {"ce", "at", "kd", "ce_matched"}
        assert set(few_methods(self.table("kd", "at")).method) == {"kd", "at"}
        assert few_methods(self.table(*"abcdefg")).method.nunique() == MOST


class TestBars:
    def lengths(self, figure: Figure) -> list[tuple[float, float]]:
        """Where each bar of the first panel starts and ends."""
        return [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in figure.axes[0].patches]

    @pytest.mark.parametrize("alignment", [5.0, 0.1])
    def test_terms_stand_on_each_other_and_end_at_the_bound(self, alignment: float, summary_of: Any) -> None:
        tables = diagnosed(summary_of("no reference, one seed"), alignment)
        terms = tables["bound"].set_index("term").value
        taught, aligned, label, own = self.lengths(bound_terms.draw(tables))
        assert taught == (0, terms["error/teacher"])
        assert aligned == pytest.approx((taught[1], taught[1] + terms["FA/exact"]))
        assert label == pytest.approx((aligned[1], aligned[1] + terms["LA/entropy"]))
        assert own == (0, pytest.approx(terms["error/student"]))

    @pytest.mark.parametrize(("alignment", "sign"), [(5.0, "≤"), (0.1, ">")])
    def test_a_bound_that_fails_is_shown_to_fail(self, alignment: float, sign: str, summary_of: Any) -> None:
        figure = bound_terms.draw(diagnosed(summary_of("no reference, one seed"), alignment))
        (text,) = figure.axes[0].texts
        assert text.get_text().split()[1] == sign


class TestSlack:
    def test_there_is_a_point_for_every_student_and_the_correlations_are_printed(
        self, summary_of: Any
    ) -> None:
        tables = diagnosed(summary_of("many pairs of one regime"))
        axes = slack.draw(tables).axes[0]
        points = slack_points(tables["bound"], tables["scores"], "_calibrated")
        lines = axes.get_lines()
        assert sum(len(line.get_xdata()) for line in lines) == len(points)
        assert len({line.get_color() for line in lines}) == points.pair.nunique() > 1
        found = slack_association(points)
        label = axes.get_xlabel().replace("−", "-")
        assert f"{len(points)} students: {found.overall:+.2f}" in label
        assert f"within pairs {found.within:+.2f}" in label
        assert f"error {found.given_teacher:+.2f}" in label

    def test_what_is_undefined_is_said_to_be(self, summary_of: Any) -> None:
        axes = slack.draw(diagnosed(summary_of("no reference, one seed"))).axes[0]
        assert axes.get_xlabel().count("undefined") == 3


class TestRegimes:
    def test_there_is_a_storey_for_every_term_and_a_mark_for_every_regime(self, summary_of: Any) -> None:
        tables = diagnosed(summary_of("four regimes"))
        axes = bound_regimes.draw(tables).axes
        regimes = [text.get_text() for text in axes[-1].get_xticklabels()]
        expected = {"paired", "class_cond_disjoint", "disjoint_teacher", "unlabelled_student"}
        assert (set(regimes), len(regimes)) == (expected, 4)
        colour = looks(tables["costs"].method)["kd"].colour
        assert len(axes) == 4
        for storey in axes:
            marks = [line for line in storey.get_lines() if line.get_marker() != "."]
            places = [line.get_xdata()[0] for line in marks if line.get_color() == colour]
            assert sorted(round(place) for place in places) == [0, 1, 2, 3]

    def test_means_stand_at_their_term(self, summary_of: Any) -> None:
        tables = diagnosed(summary_of("no reference, one seed"))
        terms = tables["bound"].set_index("term").value
        names = ("error/teacher", "FA/exact", "LA/entropy", "error/student")
        for axes, name in zip(bound_regimes.draw(tables).axes, names, strict=True):
            heights = [float(line.get_ydata()[0]) for line in axes.get_lines()]
            assert heights == pytest.approx([terms[name]] * 2)


def test_histograms_are_means_over_seeds_in_percent(summary_of: Any) -> None:
    tables = diagnosed(summary_of("one pair, one regime, two seeds"))
    figure = kappa.draw(tables)
    stairs = figure.axes[0].patches
    shares = tables["kappa"]
    means = [
        rows.groupby("low").share.mean().clip(lower=0.0005).to_numpy()
        for _, rows in few_methods(shares).groupby("method", sort=False)
    ]
    assert len(stairs) == len(means)
    for patch, mean in zip(stairs, means, strict=True):
        np.testing.assert_allclose(patch.get_data().values, 100 * mean)


def test_the_style_around_stays_as_it_was(summary_of: Any) -> None:
    before = mpl.rcParams["font.size"]
    bound_terms.draw(diagnosed(summary_of("default")))
    assert mpl.rcParams["font.size"] == before
