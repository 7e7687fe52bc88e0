"""Data cards on the page: what they say, what they hide, and that they trust nothing."""

import base64
import html
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.data_cards.synthetic import HOSTILE, PER_CLASS, write_datasets
from tests.evaluation.synthetic import grid, write_benchmark
from tests.report.test_report import CAPTIONS, SVG, Reader
from ucmkd.data.prepared import read_prepared
from ucmkd.data_cards.draw import draw_card
from ucmkd.errors import DataError, RecordError
from ucmkd.evaluation.summarise import summarise
from ucmkd.figures.draw import figure_names
from ucmkd.report.build import build_report
from ucmkd.report.cards import NO_TEXTS, cards, normalisation_text, shape_text

PAIRS = {
    "a_b": {"teacher": "frames", "student": "reviews"},
    "not_run": {"teacher": "lines", "student": "rows"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cards")


@pytest.fixture(scope="module")
def stored(folder) -> dict[str, Path]:
    return {made.name: made for made in write_datasets(folder / "data")}


@pytest.fixture(scope="module")
def pictures(folder, stored) -> dict[str, Path]:
    """Pictures by dataset, texts too."""
    drawn = {name: folder / "figures" / "data" / f"{name}.png" for name in stored}
    for name, picture in drawn.items():
        draw_card(stored[name], picture)
    return drawn


@pytest.fixture(scope="module")
def page(folder, stored, pictures) -> str:
    made = write_benchmark(folder, grid(["a_b"], ["class_cond"], ["kd"]), 2, epochs=2)
    summarise(made.runs, made.teachers, made.keys, folder / "summary")
    for name in figure_names():
        (folder / "figures" / f"{name}.svg").write_text(SVG)
    build_report(
        folder / "summary",
        folder / "figures",
        CAPTIONS,
        {"seeds": 2, "pairs": PAIRS},
        folder / "report.html",
        data_folders=list(stored.values()),
        data_pictures=list(pictures.values()),
    )
    return (folder / "report.html").read_text(encoding="utf-8")


def card(page: str, name: str) -> str:
    """The card of a dataset as words, without its picture and its tags."""
    part = page.split(f'id="data-{name}"')[1].split("</article>")[0]
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", part)))


def test_the_page_stays_well_formed_and_needs_nothing_else(page):
    reader = Reader(page)
    assert reader.open == []
    assert len(reader.ids) == len(set(reader.ids))
    assert {address[1:] for address in reader.addresses if address.startswith("#")} <= set(reader.ids)
    assert all(address.startswith(("data:", "#")) for address in reader.addresses)


def test_every_dataset_has_a_card_and_the_section_is_in_the_navigation(page, stored):
    assert '<li><a href="#data">Data</a></li>' in page
    for name in stored:
        assert f'href="#data-{name}"' in page
        assert card(page, name)


def test_texts_names_and_reasons_are_escaped(page):
    assert HOSTILE not in page
    assert "<script>alert" not in page
    for name in ("reviews", "lines"):
        assert HOSTILE in card(page, name)


def test_long_texts_are_cut(page):
    shown = re.findall(r'<span dir="auto">(.*?)</span>', page)
    assert max(len(html.unescape(text)) for text in shown) == 240
    assert any(text.endswith("…") for text in shown)


def test_texts_of_other_splits_are_not_shown(page):
    numbers = {int(number) for number in re.findall(r"number (\d+)", card(page, "reviews"))}
    assert numbers
    assert max(numbers) < 2 * PER_CLASS["train"]


def test_without_raw_texts_no_numbers_are_shown_instead(page):
    assert NO_TEXTS in card(page, "numbers_only")
    assert NO_TEXTS not in card(page, "reviews")


def test_pictures_are_embedded_with_words_for_those_who_do_not_see_them(page, pictures):
    for name in ("frames", "sounds", "rows", "lines"):
        held = base64.b64encode(pictures[name].read_bytes()).decode()
        assert (
            f'src="data:image/png;base64,{held}" alt="Training samples of {name}, a row for each class"'
            in page
        )
    assert base64.b64encode(pictures["reviews"].read_bytes()).decode() not in page


def test_many_classes_are_summarised_and_few_are_listed(page):
    many = card(page, "rows")
    for title in ("Fewest", "Median", "Most"):
        assert f"{title} of 60 classes 6 2 2" in many
    assert "kind 7 " not in many
    few = card(page, "frames")
    assert all(f"class {label} 6 2 2" in few for label in range(12))


def test_what_was_left_out_is_counted_and_some_is_named(page):
    lines = card(page, "lines")
    assert "Left out: 25" in lines
    assert lines.count("is no file") == 20
    assert "and 5 more" in lines
    assert "Left out" not in card(page, "frames")


def test_pairs_that_ran_are_named_with_the_role(page):
    assert "a_b (teacher)" in card(page, "frames")
    assert "a_b (student)" in card(page, "reviews")
    assert "not_run" not in card(page, "lines")


def test_datasets_of_the_same_instances_know_each_other(page):
    assert "shown by numbers_only too" in card(page, "reviews")
    assert "Same instances" not in card(page, "frames")


def test_facts_quirks_and_settings_are_told(page):
    said = card(page, "reviews")
    facts = ("kind_of_reviews", "up to 12 words", "12 training, 4 validation, 4 test", "made in the tests")
    for text in (*facts, f"Written by {HOSTILE}.", "length 12"):
        assert text in said


def test_the_digest_of_the_data_is_told(page, stored):
    for name, made in stored.items():
        assert read_prepared(made).card["sha256"] in card(page, name)


def test_a_missing_picture_is_refused_where_one_is_drawn(stored, pictures):
    with pytest.raises(RecordError, match="frames: no such picture; run the rule that draws data cards"):
        cards([stored["frames"]], [pictures["sounds"]], {})
    with pytest.raises(RecordError, match=r"gone/frames\.png: no such picture"):
        cards([stored["frames"]], ["gone/frames.png"], {})
    assert cards([stored["reviews"]], [], {})[0].picture is None


def test_a_missing_dataset_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"card\.json: no such file"):
        cards([tmp_path], [], {})


@pytest.mark.parametrize(
    ("modality", "shape", "expected"),
    [
        ("image", [1, 8, 9], "8 × 9 pixels, grey"),
        ("image", [3, 32, 32], "32 × 32 pixels, colour"),
        ("image", [2, 3, 32, 32], "32 × 32 pixels, colour, 2 frames"),
        ("image", [2, 32, 32], "32 × 32 pixels, 2 channels"),
        ("audio", [1, 64, 100], "64 bands × 100 frames"),
        ("text", [32], "up to 32 words"),
        ("tabular", [1], "1 column"),
        ("tabular", [7], "7 columns"),
        ("sequence", [3, 50], "3 channels × 50 steps"),
    ],
)
def test_shapes_in_words(modality, shape, expected):
    assert shape_text(modality, shape) == expected


@pytest.mark.parametrize(
    ("modality", "mean", "std", "expected"),
    [
        ("text", [0.0], [1.0], "nothing: texts are numbers of words"),
        ("image", [4.5], [2.0], "mean 4.5, standard deviation 2, of training rows"),
        ("tabular", [-1.0, 3.0], [1.0, 1.0],
         "mean of each column −1 to 3, standard deviation 1, of training rows"),
    ],
)  # fmt: skip
def test_normalisation_in_words(modality, mean, std, expected):
    assert normalisation_text(modality, {"mean": mean, "std": std}) == expected


def test_neither_the_report_nor_the_pictures_import_torch():
    code = "import sys, ucmkd.report.build, ucmkd.data_cards.draw; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
