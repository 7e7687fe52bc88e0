"""Tables of the bound, and the correlations of the slack."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from ucmkd.errors import RecordError
from ucmkd.evaluation.bound import bound_table, kappa_table, slack_association, slack_points

CELL = {"pair": "p", "regime": "paired", "method": "kd", "variant": "default", "label": "KD"}


def said(**changes: Any) -> dict[str, Any]:
    return CELL | {
        "terms": [{"seed": 0, "term": "error/teacher", "value": 0.5}, {"seed": 1, "term": "n/student",
                                                                       "value": 7}],
        "kappa": [{"seed": 0, "low": 0.0, "high": 0.5, "share": 0.25},
                  {"seed": 0, "low": 0.5, "high": 1.0, "share": 0.75}],
    } | changes  # fmt: skip


def write(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


class TestTables:
    def test_they_list_what_the_files_say_in_their_order(self, tmp_path: Path) -> None:
        files = [write(tmp_path / "b.json", said(method="ce")), write(tmp_path / "a.json", said())]
        terms, kappa = bound_table(files), kappa_table(files)
        names = ["pair", "regime", "method", "variant", "label"]
        assert [*terms.columns] == [*names, "seed", "term", "value"]
        assert [*kappa.columns] == [*names, "seed", "low", "high", "share"]
        assert terms.method.tolist() == ["ce", "ce", "kd", "kd"]
        assert terms.iloc[3].tolist() == [*CELL.values(), 1, "n/student", 7.0]
        assert kappa.iloc[3].tolist() == [*CELL.values(), 0, 0.5, 1.0, 0.75]

    @pytest.mark.parametrize("table", [bound_table, kappa_table])
    def test_without_files_there_is_a_heading(self, table: Any) -> None:
        assert table([]).empty
        assert [*table([]).columns][:6] == ["pair", "regime", "method", "variant", "label", "seed"]

    @pytest.mark.parametrize(
        "damage",
        [
            {"terms": None},
            {"terms": [{"seed": 0, "term": "error/teacher"}]},
            {"terms": [{"seed": 0, "term": "error/teacher", "value": None}]},
            {"terms": [{"seed": 0, "term": "error/teacher", "value": math.nan}]},
            {"terms": [{"seed": "x", "term": "error/teacher", "value": 1.0}]},
            {"terms": ["error/teacher"]},
        ],
    )
    def test_a_damaged_file_is_refused_with_its_name(self, damage: dict[str, Any], tmp_path: Path) -> None:
        with pytest.raises(RecordError, match=r"a\.json: damaged"):
            bound_table([write(tmp_path / "a.json", said(**damage))])

    @pytest.mark.parametrize("text", ["", "{", "[]", "3"])
    @pytest.mark.parametrize("table", [bound_table, kappa_table])
    def test_what_is_no_such_file_is_refused(self, table: Any, text: str, tmp_path: Path) -> None:
        (tmp_path / "a.json").write_text(text, encoding="utf-8")
        with pytest.raises(RecordError, match=r"a\.json"):
            table([tmp_path / "a.json"])

    def test_a_missing_file_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(RecordError, match=r"a\.json"):
            bound_table([tmp_path / "a.json"])

    def test_a_student_that_was_diagnosed_twice_is_refused(self, tmp_path: Path) -> None:
        files = [write(tmp_path / name, said()) for name in ("a.json", "b.json")]
        with pytest.raises(RecordError, match="p/paired/kd/default was diagnosed twice for seed 0"):
            bound_table(files)


class TestPoints:
    def test_they_join_slack_and_accuracy_of_the_same_student(self) -> None:
        cells = [(*list(CELL.values())[:4], seed) for seed in (0, 1)]
        values = {"slack/entropy": 3.0, "error/teacher": 1.0, "C/entropy": 9.0}
        terms = [
            (*cell[:4], "KD", cell[4], term + ending, value + cell[4])
            for cell in cells for ending in ("", "_calibrated") for term, value in values.items()
        ]  # fmt: skip
        names = [*list(CELL)[:4], "seed"]
        bound = pd.DataFrame(terms, columns=[*CELL, "seed", "term", "value"])
        scores = pd.DataFrame(
            [(*cell, split, metric, 0.5 + cell[4] / 10 if (split, metric) == ("test", "accuracy") else 9.0)
             for cell in cells for split in ("val", "test") for metric in ("accuracy", "nll")],
            columns=[*names, "split", "metric", "value"],
        )  # fmt: skip
        points = slack_points(bound, scores, "_calibrated")
        assert points[["seed", "slack", "error", "accuracy"]].to_numpy().tolist() == [
            [0, 3.0, 1.0, 0.5], [1, 4.0, 2.0, 0.6],
        ]  # fmt: skip


def points(seed: int, n: int = 60) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    error = draw.normal(size=n).round(1)
    slack, accuracy = error + draw.normal(size=n), draw.normal(size=n) - error
    return pd.DataFrame({"pair": np.arange(n) % 3, "error": error, "slack": slack, "accuracy": accuracy})


class TestAssociation:
    @pytest.mark.parametrize("seed", range(3))
    def test_overall_is_spearmans(self, seed: int) -> None:
        given = points(seed)
        expected = spearmanr(given.slack, given.accuracy).statistic
        assert slack_association(given).overall == pytest.approx(expected)

    @pytest.mark.parametrize("seed", range(3))
    def test_given_the_teacher_it_is_the_partial_correlation_of_ranks(self, seed: int) -> None:
        given = points(seed)
        xy, xz, yz = (
            spearmanr(given[a], given[b]).statistic
            for a, b in (("slack", "accuracy"), ("slack", "error"), ("accuracy", "error"))
        )
        expected = (xy - xz * yz) / math.sqrt((1 - xz**2) * (1 - yz**2))
        assert slack_association(given).given_teacher == pytest.approx(expected)

    def test_with_one_pair_the_correlation_within_pairs_is_the_overall_one(self) -> None:
        found = slack_association(points(0).assign(pair="p"))
        assert found.within == pytest.approx(found.overall)

    def test_differences_between_pairs_do_not_count_within_pairs(self) -> None:
        easy = pd.DataFrame({"pair": "easy", "slack": [1, 2, 3], "accuracy": [0.9, 0.8, 0.7]})
        hard = pd.DataFrame({"pair": "hard", "slack": [11, 12, 13], "accuracy": [0.99, 0.98, 0.97]})
        found = slack_association(pd.concat([easy, hard]).assign(error=1.0).reset_index(drop=True))
        assert found.within == pytest.approx(-1)
        assert found.overall > 0

    def test_a_teacher_that_explains_nothing_leaves_the_overall_one(self) -> None:
        found = slack_association(points(0).assign(error=1.0))
        assert found.given_teacher == pytest.approx(found.overall)

    def test_constants_have_no_correlation(self) -> None:
        found = slack_association(points(0).assign(slack=2.0))
        assert math.isnan(found.overall)
        assert math.isnan(found.within)
        assert math.isnan(found.given_teacher)
