"""What the figures of the bound share: which methods they show, and which terms."""

import pandas as pd

from ucmkd.evaluation.baselines import BASELINES

NOTHING = (
    "The bound was not diagnosed: put it into the list diagnose of the configuration,\n"
    "and run the benchmark again. Finished students are not trained again."
)
ENDING = "_calibrated"
"""Figures show the terms with both heads at their temperatures: the entropy needs a calibrated teacher."""

MOST = 4
_FIRST = ("ce", "ucmkd_paper", "ucmkd_released", "ucmkd_aligned")


def few_methods(table: pd.DataFrame) -> pd.DataFrame:
    """Keep the default variants of at most four methods: ``ce``, then those of UCMKD, others, baselines."""
    default = table[table.variant == "default"]
    methods = sorted(dict.fromkeys(map(str, default.method)), key=_place)
    return default[default.method.isin(methods[:MOST])]


def _place(method: str) -> tuple[int, bool, bool]:
    place = _FIRST.index(method) if method in _FIRST else len(_FIRST)
    return place, not method.startswith("ucmkd"), method in BASELINES


def by_term(table: pd.DataFrame) -> pd.DataFrame:
    """Give the calibrated terms a column each, one finished student a row."""
    shown = table[table.term.str.endswith(ENDING)]
    keys = ["pair", "regime", "method", "seed"]
    wide = shown.pivot(index=keys, columns="term", values="value")
    return wide.rename(columns=lambda name: name.removesuffix(ENDING)).reset_index()
