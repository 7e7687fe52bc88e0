"""Which samples a card shows: training rows only, and the same ones every time."""

import numpy as np

from ucmkd.data.prepared import Prepared
from ucmkd.seeding import generator_for

CLASSES = 10
PER_CLASS = 4


def shown_classes(count: int) -> list[int]:
    """Choose ``CLASSES`` of ``count`` classes, or all of fewer, evenly over their order."""
    places = np.linspace(0, count - 1, min(count, CLASSES))
    return [int(place) for place in places.round()]


def shown_rows(prepared: Prepared, per_class: int = PER_CLASS) -> dict[int, list[int]]:
    """Draw training rows of each shown class.

    The lot falls on ids, one class apart from the other, so that it depends neither on the order of the rows
    nor on other classes and splits.

    Returns
    -------
    dict
        By class, at most ``per_class`` row numbers.
    """
    rows = prepared.rows("train")
    chosen = {}
    for label in shown_classes(len(prepared.card["classes"])):
        of_class = rows[prepared.labels[rows] == label]
        sorted_rows = of_class[np.argsort(prepared.ids[of_class])]
        lot = generator_for(0, "data_card", prepared.card["classes"][label]).permutation(len(sorted_rows))
        chosen[label] = sorted_rows[lot[:per_class]].tolist()
    return chosen
