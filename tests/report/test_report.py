import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.evaluation.synthetic import default_cells, grid, write_benchmark
from ucmkd.errors import RecordError
from ucmkd.evaluation.summarise import summarise
from ucmkd.figures.draw import figure_names
from ucmkd.report.build import ON_REQUEST, build_report, digest
from ucmkd.report.captions import read_caption

CAPTIONS = Path(__file__).parents[2] / "workflow" / "report"
CONFIG = {
    "seeds": 3,
    "tracking": {"uri": "https://me:secret@somewhere"},
    "device": "cpu",
    "pairs": {
        name: {"teacher": "frames", "student": "sounds"}
        for name in ("a_b", "handwritten_spoken", "spoken_handwritten", "handwritten_profiles")
    },
}
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="518.4pt" height="300pt"/>'


def build(folder: Path, page: Path, captions: Path = CAPTIONS, figures: Path | None = None) -> None:
    build_report(folder / "summary", figures or folder / "figures", captions, CONFIG, page,
                 data_folders=[], data_pictures=[])  # fmt: skip


def write_report(folder: Path, cells, seeds: int) -> str:
    made = write_benchmark(folder, cells, seeds, epochs=2)
    summarise(made.runs, made.teachers, made.keys, folder / "summary")
    (folder / "figures").mkdir()
    for name in figure_names():
        (folder / "figures" / f"{name}.svg").write_text(SVG)
    build(folder, folder / "report.html")
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def page(folder) -> str:
    return write_report(folder, default_cells(), 3)


class Reader(HTMLParser):
    """Collect addresses, identifiers, and tags that are open at the end."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.addresses += [
            values[name] for name in ("src", "href", "srcset", "action", "data") if name in values
        ]
        self.ids += [values["id"]] if "id" in values else []
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_nothing_outside_of_the_page_is_needed(page):
    addresses = Reader(page).addresses
    assert addresses
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert not re.search(r"@import|url\(|<link|fetch\(|XMLHttpRequest", page)


def test_the_page_is_well_formed_and_its_links_lead_somewhere(page):
    reader = Reader(page)
    assert reader.open == []
    assert len(reader.ids) == len(set(reader.ids))
    assert {address[1:] for address in reader.addresses if address.startswith("#")} <= set(reader.ids)


def test_every_figure_of_runs_stands_with_its_caption(page):
    for name in set(figure_names()) - ON_REQUEST.keys():
        assert f'id="figure-{name}"' in page
        assert read_caption(CAPTIONS, name)[0] in page


def test_nothing_is_said_of_what_was_not_diagnosed(page):
    assert set(figure_names()) > ON_REQUEST.keys()
    for name in (*(f"figure-{name}" for name in ON_REQUEST), "diagnoses"):
        assert f'id="{name}"' not in page


def test_scores_stand_beside_what_methods_declare(page):
    row = next(
        line for line in page.splitlines() if ">KD<" in line and ">class_cond<" in line and "%" not in line
    )
    assert "runs as class_mean_soft" in row
    assert ">logits<" in row


def test_needs_of_rows_are_declared_where_the_method_is_itself(page):
    row = next(line for line in page.splitlines() if ">KD<" in line and ">paired<" in line)
    assert ">same instance" in row


def test_secrets_and_places_of_the_configuration_are_left_out(page):
    assert "secret" not in page
    assert "seeds: 3" in page


def test_the_digest_changes_with_what_is_measured():
    assert digest({"seeds": 3}) != digest({"seeds": 4})
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})


def test_the_page_says_when_no_adjusted_p_value_can_be_small(page):
    assert "no adjusted p-value can be below 1.00" in page


def test_ranks_are_explained_with_six_blocks_and_with_fewer(page, tmp_path):
    assert "methods stand in 7 of 7 blocks" in page
    few = write_report(tmp_path, grid(["a_b"], ["class_cond"], ["kd"]), 2)
    assert "Ranks are not tested: this summary has 1 of the 6 blocks" in few


def test_a_single_seed_and_no_reference_give_a_page_without_numbers_that_do_not_exist(tmp_path):
    page = write_report(tmp_path, [("a_b", "class_cond", "kd", "default")], 1)
    text = re.sub(r"<(script|style).*?</\1>", "", page, flags=re.DOTALL)
    assert not re.search(r"\bnan\b", re.sub(r"base64,[^\"]*", "", text), flags=re.IGNORECASE)
    assert "No method that meets a teacher was compared with ce_teacher_recipe" in page


def test_the_same_tables_give_the_same_page(page, folder):
    build(folder, folder / "again.html")
    assert (folder / "again.html").read_text(encoding="utf-8") == page


def test_a_figure_without_caption_is_refused(folder, tmp_path):
    (tmp_path / "workflow.rst").write_text("What this is.")
    with pytest.raises(RecordError, match=r"gain\.rst: no such caption"):
        build(folder, tmp_path / "report.html", captions=tmp_path)


def test_a_missing_figure_is_refused(folder, tmp_path):
    with pytest.raises(RecordError, match=r"gain\.svg: no such figure; run the rule"):
        build(folder, tmp_path / "report.html", figures=tmp_path)


def test_captions_are_escaped_and_marked_up(tmp_path):
    (tmp_path / "figure.rst").write_text("A ``<b>`` & *much*\nmore.\n\nSecond.")
    assert read_caption(tmp_path, "figure") == [
        "A <code>&lt;b&gt;</code> &amp; <em>much</em> more.",
        "Second.",
    ]
