import numpy as np
import pytest

from tests.evaluation.synthetic import make_record
from ucmkd.evaluation.headline import Result, accuracy_text, gain_text, headline, headline_results, signed

BLOCK = ("handwritten_profiles", "paired")


def test_accuracy_is_mean_and_deviation_over_seeds_in_percent(tables):
    tests = [make_record(*BLOCK, "kd", "default", seed)["scores"]["test"]["accuracy"] for seed in range(6)]
    result = headline_results(tables).results["kd", BLOCK]
    assert (result.mean, result.sd) == pytest.approx((100 * np.mean(tests), 100 * np.std(tests, ddof=1)))


def test_students_trained_alone_stand_in_every_regime_of_their_pair(tables):
    results = headline_results(tables).results
    assert results["ce", BLOCK] == results["ce", ("handwritten_profiles", "disjoint_teacher")]


def test_the_markdown_table_is_rectangular(tables):
    lines = headline(tables).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert len(lines) == 2 + len(set(tables["costs"].method))


def test_gains_clear_of_zero_are_bold_and_others_are_not(tables):
    text = headline(tables)
    results = headline_results(tables).results.values()
    clear = [result for result in results if result.low > 0 or result.high < 0]
    assert text.count("**") == 2 * len(clear)


def test_a_single_seed_has_neither_deviation_nor_interval():
    alone = Result(76.24, float("nan"), 1.25, float("nan"), float("nan"))
    assert accuracy_text(alone) == "76.2"
    assert gain_text(alone.gain, alone.low, alone.high) == "+1.2"


def test_zero_has_no_minus():
    assert signed(-0.04) == "+0.0"
