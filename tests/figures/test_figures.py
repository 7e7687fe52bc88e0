from functools import cache
from pathlib import Path

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from tests.figures.conftest import SHAPES
from ucmkd import discovery
from ucmkd.figures.draw import figure_names, save
from ucmkd.figures.shared.panels import block_rows

CAPTIONS = Path(__file__).parents[2] / "workflow" / "report"


class Drawn:
    """A figure, drawn, and the texts of it that were: ticks out of sight have labels that are not."""

    def __init__(self, name, tables):
        self.figure = discovery.load("ucmkd.figures", name, "draw")(tables)
        self.texts = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Text, "draw", self._noting(Text.draw))
            FigureCanvasAgg(self.figure).draw()
        self.texts = [text for text in self.texts if text.get_visible() and text.get_text().strip()]

    def _noting(self, draw):
        def note_and_draw(text, renderer):
            self.texts.append(text)
            draw(text, renderer)

        return note_and_draw


@pytest.fixture(scope="module")
def drawn(summary_of):
    """Draw a figure of a shape, once."""
    return cache(lambda name, shape: Drawn(name, summary_of(shape)))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", figure_names())
class TestEveryFigure:
    def test_no_text_is_cut_off(self, name, shape, drawn):
        figure = drawn(name, shape).figure
        page = figure.bbox.padded(1)
        for text in drawn(name, shape).texts:
            box = text.get_window_extent(figure.canvas.get_renderer())
            whole = page.contains(box.x0, box.y0) and page.contains(box.x1, box.y1)
            assert whole, f"{text.get_text()!r} at {box} of {figure.bbox}"

    def test_every_font_is_readable_at_the_width_of_a_page(self, name, shape, drawn):
        assert min(text.get_fontsize() for text in drawn(name, shape).texts) >= 5.5
        assert drawn(name, shape).figure.get_figwidth() <= 7.2


def test_a_panel_widens_the_scale_that_it_shares(summary_of):
    tables = summary_of("four regimes")
    scores = tables["scores"].copy()
    pair, regime = next(row[1] for row in block_rows(tables) if len({pair for pair, _ in row}) < len(row))
    far = (scores.metric == "ece") & (scores.pair == pair) & (scores.regime == regime)
    scores.loc[far, "value"] = 0.9
    figure = discovery.load("ucmkd.figures", "reliability", "draw")({**tables, "scores": scores})
    below = [axes for axes in figure.axes if axes.get_xlabel() == "ECE (points)"]
    shown = [(max(line.get_xdata()), axes.get_xlim()) for axes in below for line in axes.lines]
    assert max(largest for largest, _ in shown) == pytest.approx(90)
    assert all(low <= largest <= high for largest, (low, high) in shown)


@pytest.mark.parametrize("name", figure_names())
def test_every_figure_has_a_caption(name):
    assert (CAPTIONS / f"{name}.rst").read_text(encoding="utf-8").strip()


def test_every_caption_has_a_figure():
    assert {path.stem for path in CAPTIONS.glob("*.rst")} == {*figure_names(), "workflow"}


@pytest.mark.parametrize(
    ("name", "shape", "words"),
    [
        ("ablation", "four regimes", "No variant was run"),
        ("gain", "no reference, one seed", "No method was compared with ce_teacher_recipe"),
        ("gain", "nobody meets a teacher", "Nothing but controls was run"),
        ("compute", "no reference, one seed", "No method was compared with ce_teacher_recipe"),
        ("ranks", "four regimes", "they need 6 blocks of a pair and a regime,\nand this summary has 4"),
    ],
)
def test_a_figure_with_nothing_to_show_says_why(name, shape, words, drawn):
    assert any(words in text.get_text() for text in drawn(name, shape).texts)


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_the_same_tables_give_the_same_bytes(kind, summary_of, tmp_path):
    for copy in ("first", "second"):
        save(Drawn("gain", summary_of("four regimes")).figure, tmp_path / f"{copy}.{kind}")
    assert (tmp_path / f"first.{kind}").read_bytes() == (tmp_path / f"second.{kind}").read_bytes()


def test_drawing_leaves_the_tables_as_they_are(summary_of):
    tables = summary_of("four regimes")
    before = {name: table.copy() for name, table in tables.items()}
    for name in figure_names():
        discovery.load("ucmkd.figures", name, "draw")(tables)
    assert all(tables[name].equals(table) for name, table in before.items())
