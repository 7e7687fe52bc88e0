"""The heatmap of more blocks than a page is wide."""

from itertools import combinations

import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from ucmkd.evaluation.headline import signed
from ucmkd.figures.heatmap import draw
from ucmkd.figures.shared.gains import reference_gains

SHAPE = "many pairs of one regime"


def repeated(tables, times):
    """Give the pairs of a summary again and again, under other names."""
    return {
        name: pd.concat([table.assign(pair=table.pair + f"_{number}") for number in range(times)])
        if "pair" in table
        else table
        for name, table in tables.items()
    }


@pytest.mark.parametrize("times", [1, 4, 9])
def test_every_number_is_there_and_none_touches_another(summary_of, times):
    tables = repeated(summary_of(SHAPE), times)
    figure = draw(tables)
    FigureCanvasAgg(figure).draw()
    texts = [text for axes in figure.axes for text in axes.texts if text.get_text()[0] in "+−"]
    gains = reference_gains(tables).query("variant == 'default'").gain
    assert sorted(text.get_text() for text in texts) == sorted(signed(gain) for gain in gains)
    boxes = [text.get_window_extent() for text in texts]
    assert not any(first.overlaps(second) for first, second in combinations(boxes, 2))


def test_every_block_is_named_once(summary_of):
    tables = repeated(summary_of(SHAPE), 9)
    figure = draw(tables)
    named = [text.get_text() for axes in figure.axes for text in axes.texts if "_" in text.get_text()]
    assert sorted(named) == sorted(set(reference_gains(tables).pair))
