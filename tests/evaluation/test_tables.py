import numpy as np
import pandas as pd
import pytest

from ucmkd.evaluation import tables
from ucmkd.evaluation.tables import write_table

MIXED = pd.DataFrame(
    {
        "name": pd.Categorical(["a, b", 'says "no"', None, "plain"]),
        "object": ["two\nlines", None, 1, True],
        "value": [0.1 + 0.2, -0.0, np.nan, 1e-300],
        "count": [1, 2, 3, 10**15],
        "known, or not": [True, False, None, np.nan],
    }
)


@pytest.mark.parametrize("rows", [1, 2, 100])
def test_a_table_is_spelled_out_as_pandas_does(tmp_path, monkeypatch, rows):
    monkeypatch.setattr(tables, "_ROWS_AT_ONCE", rows)
    write_table(tmp_path, "mixed", MIXED)
    expected = MIXED.to_csv(index=False, lineterminator="\n").encode()
    assert (tmp_path / "mixed.csv").read_bytes() == expected


def test_an_empty_table_keeps_its_header(tmp_path):
    write_table(tmp_path, "empty", MIXED[:0])
    assert (tmp_path / "empty.csv").read_text() == 'name,object,value,count,"known, or not"\n'
