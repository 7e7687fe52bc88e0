from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data_cards.synthetic import PER_CLASS as STORED
from ucmkd.data.prepared import read_prepared
from ucmkd.data_cards.samples import CLASSES, PER_CLASS, shown_classes, shown_rows
from ucmkd.data_cards.shorten import cut


@given(st.integers(1, 2000))
def test_a_few_classes_are_shown_the_first_and_the_last_among_them(count):
    shown = shown_classes(count)
    assert len(shown) == len(set(shown)) == min(count, CLASSES)
    assert shown == sorted(shown)
    assert shown[0] == 0
    assert shown[-1] in (count - 1, 0)


@pytest.mark.parametrize("name", ["frames", "reviews", "rows"])
def test_rows_are_of_their_class_and_of_the_training_split(stored, name):
    prepared = read_prepared(stored[name])
    for label, rows in shown_rows(prepared).items():
        assert len(set(rows)) == PER_CLASS
        assert set(prepared.labels[rows]) == {label}
        assert set(prepared.split[rows]) == {"train"}


def test_the_order_of_rows_does_not_matter(stored):
    prepared = read_prepared(stored["frames"])
    mixed = np.random.default_rng(0).permutation(len(prepared.labels))
    other = replace(prepared, **{name: getattr(prepared, name)[mixed] for name in ("labels", "ids", "split")})
    for label, rows in shown_rows(prepared).items():
        assert prepared.ids[rows].tolist() == other.ids[shown_rows(other)[label]].tolist()


def test_all_of_a_small_class_are_shown(stored):
    prepared = read_prepared(stored["frames"])
    assert {len(rows) for rows in shown_rows(prepared, 100).values()} == {STORED["train"]}


def test_the_lot_does_not_always_fall_on_the_first(stored):
    prepared = read_prepared(stored["rows"])
    firsts = [min(rows) == np.flatnonzero(prepared.labels == label)[0]
              for label, rows in shown_rows(prepared).items()]  # fmt: skip
    assert not all(firsts)


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [
        ("short", 5, "short"),
        ("longer", 5, "long…"),
        ("two  lines\n and\ttabs", 40, "two lines and tabs"),
        ("word and more", 6, "word…"),
        ("", 5, ""),
    ],
)
def test_texts_are_cut_on_one_line(text, most, expected):
    assert cut(text, most) == expected
