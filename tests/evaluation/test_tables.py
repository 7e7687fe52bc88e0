import csv

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from ucmkd.evaluation.tables import write_table

MIXED = pd.DataFrame(
    {
        "name": pd.Categorical(["a, b", 'says "no"', None, "two\nlines"]),
        "value": [0.1 + 0.2, -0.0, np.nan, 1e-300],
        "count": [1, 2, 3, 10**15],
        "known, or not": [True, False, None, None],
        "nothing": [None] * 4,
    }
)


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_a_table_reads_as_it_was_and_what_is_not_known_is_empty(tmp_path):
    write_table(tmp_path, "mixed", MIXED)
    assert rows(tmp_path / "mixed.csv") == [
        ["name", "value", "count", "known, or not", "nothing"],
        ["a, b", "0.30000000000000004", "1", "true", ""],
        ['says "no"', "-0", "2", "false", ""],
        ["", "", "3", "", ""],
        ["two\nlines", "1e-300", "1000000000000000", "", ""],
    ]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_numbers_keep_their_last_bit(tmp_path_factory, values):
    folder = tmp_path_factory.mktemp("numbers")
    write_table(folder, "numbers", pd.DataFrame({"value": values}))
    read = [float(field) for (field,) in rows(folder / "numbers.csv")[1:]]
    np.testing.assert_array_equal(np.array(read).view(np.int64), np.array(values).view(np.int64))


def test_an_empty_table_keeps_its_header(tmp_path):
    write_table(tmp_path, "empty", MIXED[:0])
    assert rows(tmp_path / "empty.csv") == [list(MIXED)]
