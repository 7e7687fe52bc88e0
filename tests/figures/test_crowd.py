"""Who keeps a look of its own among many."""

import numpy as np
import pandas as pd
import pytest

from ucmkd.figures.shared.crowd import CROWD, ENDS, MOST, looks_in_a_crowd
from ucmkd.figures.style import looks

CONTROLS = ["ce", "label_smoothing"]


def series(count):
    """Give ``count`` methods and the controls falling values, in an order that is not theirs."""
    names = [f"method_{number:02d}" for number in range(count)]
    values = pd.Series(np.linspace(0.9, 0.1, count), names)
    return pd.concat([values.sample(frac=1, random_state=0), pd.Series(0.5, CONTROLS)])


@pytest.mark.parametrize("count", [0, 1, MOST])
def test_few_methods_keep_their_looks(count):
    values = series(count)
    given = looks(values.index)
    assert looks_in_a_crowd(values, given) == given


def test_of_many_methods_both_ends_and_the_controls_keep_theirs():
    values = series(MOST + 8)
    given = looks(values.index)
    found = looks_in_a_crowd(values, given)
    kept = {name for name, look in found.items() if look != CROWD}
    ranked = [f"method_{number:02d}" for number in range(MOST + 8)]
    assert kept == {*CONTROLS, *ranked[:ENDS], *ranked[-ENDS:]}
    assert all(found[name] == given[name] for name in kept)


def test_a_method_without_a_value_is_at_neither_end():
    values = series(MOST + 1)
    values["method_05"] = np.nan
    assert looks_in_a_crowd(values, looks(values.index))["method_05"] == CROWD
