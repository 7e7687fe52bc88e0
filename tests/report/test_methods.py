"""The methods page, and the table of what tuning chose."""

import inspect
import json
from types import SimpleNamespace

import pandas as pd
import pytest

from ucmkd.data.regimes import ALONE, find_regime, regime_names
from ucmkd.errors import ConfigError
from ucmkd.evaluation.trials import COLUMNS
from ucmkd.methods.base import method_class, method_names, refuse_unless_provided
from ucmkd.report.methods import allowed, described
from ucmkd.report.sections import trials


def row(name):
    cls = method_class(name)
    return SimpleNamespace(
        needs_teacher=" ".join(sorted(cls.needs.teacher)),
        needs_correspondence=cls.needs.correspondence,
        needs_student_labels=cls.needs.student_labels,
        fallback=cls.fallback or "",
    )


@pytest.mark.parametrize("name", method_names())
def test_a_method_may_run_where_it_is_not_refused(name):
    runs = []
    for regime in regime_names():
        try:
            refuse_unless_provided(name, method_class(name), find_regime(regime))
        except ConfigError:
            continue
        runs.append(regime)
    said = [regime.strip("()") for regime in allowed(row(name))]
    assert said == (runs if method_class(name).needs.teacher else [ALONE])


@pytest.mark.parametrize("name", method_names())
def test_it_is_described_in_its_own_words(name):
    what, source = described(name)
    assert what
    assert " ".join(inspect.getdoc(method_class(name)).split("\n\n")[0].split()) == " ".join(source.split())


def test_a_method_that_is_gone_has_no_description():
    assert described("no_such_method") == ("", "")


def test_tuning_is_shown_beside_the_configuration_as_it_is():
    tried = [(0, 1.0, {}, 0.5, False), (1, 0.5, {"weight": 0.25}, 0.7, True)]
    rows = [
        (
            "a_b",
            "alone",
            "ce",
            "CE",
            trial,
            seed,
            rate,
            json.dumps(changes),
            accuracy + 0.02 * seed,
            1.0,
            chosen,
        )
        for trial, rate, changes, accuracy, chosen in tried
        for seed in (0, 1)
    ]
    grid = trials({"trials": pd.DataFrame(rows, columns=list(COLUMNS))})
    (shown,) = grid.rows
    assert [field.text for field in shown] == [
        "a_b", "alone", "CE", "2", "2", "51.0", "71.0", "0.50", "weight 0.25"
    ]  # fmt: skip
