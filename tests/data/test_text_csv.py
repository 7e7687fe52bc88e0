"""A table of texts."""

import zlib

import pytest

from tests.new.own_data import counts_of, labels_of, read, splits_of, write_table
from ucmkd.data.base import load_dataset
from ucmkd.data.words import BUCKETS
from ucmkd.errors import ConfigError


def rows(each=10, **more):
    return [
        {"text": f"Words {word} number {number}", "label": label} | more
        for number in range(each)
        for label, word in (("good", "fine"), ("bad", "poor"))
    ]


def test_words_become_numbers_and_texts_are_kept(tmp_path):
    dataset, samples = read("text_csv", tmp_path, file=str(write_table(tmp_path / "t.csv", rows())), length=5)
    first = [zlib.crc32(word) % (BUCKETS - 1) + 1 for word in (b"words", b"fine", b"number", b"0")]
    assert samples.inputs[0].tolist() == [*first, 0]
    assert samples.texts[0] == "Words fine number 0"
    assert (dataset.modality, samples.inputs.dtype.name) == ("text", "int32")
    assert counts_of(samples) == {(name, part): n for name in ("bad", "good")
                                  for part, n in (("train", 6), ("val", 2), ("test", 2))}  # fmt: skip


def test_columns_can_have_other_names(tmp_path):
    table = [
        {"review": row["text"], "mood": row["label"], "part": part, "who": f"w{n % 4}{part}", "key": f"k{n}"}
        for n, (row, part) in enumerate(zip(rows(12), ["train", "validation", "Test"] * 8, strict=True))
    ]
    path = write_table(tmp_path / "t.csv", table, delimiter=";")
    dataset, samples = read("text_csv", tmp_path, file=str(path), text="review", label="mood", split="part",
                            group="who", id="key", delimiter=";")  # fmt: skip
    assert list(samples.ids) == [f"k{n}" for n in range(24)]
    assert samples.split[:3] == ["train", "val", "test"]
    assert samples.groups[:2] == ["w0train", "w1validation"]
    assert dataset.grouped


def test_texts_with_quotes_delimiters_and_line_ends_come_through(tmp_path):
    path = write_table(tmp_path / "t.csv", rows())
    odd = 'He said "no, no",\nand left; \u2028so did I'
    quoted = odd.replace('"', '""')
    path.write_text(path.read_text() + f'"{quoted}",good\nafter it,good\n', encoding="utf-8")
    _, samples = read("text_csv", tmp_path, file=str(path))
    assert samples.texts[20] == odd
    assert list(samples.ids)[20:] == ["line22", "line24"]


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path):
    path = write_table(tmp_path / "t.csv", rows())
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert len(read("text_csv", tmp_path, file=str(path))[1].ids) == 20


def test_a_text_that_occurs_twice_stands_in_one_split(tmp_path):
    table = rows(12)
    path = write_table(tmp_path / "t.csv", table + table)
    _, samples = read("text_csv", tmp_path, file=str(path))
    home = splits_of(samples)
    assert all(home[f"line{line}"] == home[f"line{line + 24}"] for line in range(2, 26))


def test_instances_are_named_by_a_column(tmp_path):
    table = [row | {"film": f"film{number}"} for number, row in enumerate(rows(30))]
    path = write_table(tmp_path / "t.csv", table)
    dataset, samples = read("text_csv", tmp_path, file=str(path), pair="film", instances="films")
    assert dataset.instances == "films"
    assert samples.pair_ids[:2] == ["film0", "film1"]


def test_labels_are_renamed(tmp_path):
    table = [row | {"label": {"good": "1.0", "bad": "0.0"}[row["label"]]} for row in rows()]
    path = write_table(tmp_path / "t.csv", table)
    _, samples = read("text_csv", tmp_path, file=str(path), labels={"1.0": "good", "0.0": "bad"})
    assert labels_of(samples)["line2"] == "good"


@pytest.mark.parametrize("delimiter", ["", ",,", '"', "\n"])
def test_a_delimiter_is_one_sign(delimiter):
    with pytest.raises(ConfigError, match="delimiter"):
        load_dataset("text_csv", {"file": "x", "delimiter": delimiter})


def test_a_missing_file_is_refused_with_the_nearest(tmp_path):
    write_table(tmp_path / "reviews.csv", rows())
    with pytest.raises(ConfigError, match=r"reviws\.csv: there is no such file; did you mean .*reviews\.csv"):
        load_dataset("text_csv", {"file": str(tmp_path / "reviws.csv")}).stamp()
