"""Diagnoses of a few real runs, from the data to the report."""

import json

import pandas as pd
import pytest
import yaml

from ucmkd import evaluation
from ucmkd.benchmark import Benchmark
from ucmkd.config import load

PAIR = "handwritten_profiles"
CONFIG = {
    "seeds": 2,
    "diagnose": ["bound", "cch"],
    "training": {"teacher": {"epochs": 5, "evaluations": 2}},
    "pairs": {PAIR: {"training": {"student": {"epochs": 20, "evaluations": 2}}}},
    "cells": [
        {"pairs": [PAIR], "methods": ["ce", "ce_teacher_recipe"]},
        {
            "pairs": [PAIR],
            "regimes": ["paired"],
            "methods": ["kd"],
            "variants": ["default", "random_teacher"],
        },
    ],
}


@pytest.fixture(scope="module")
def finished(snakemake, tree):
    """A copy of the tree in which the benchmark above has run."""
    (tree / "diagnose.yaml").write_text(yaml.safe_dump(CONFIG))
    done = snakemake(tree, "--cores", "2", "--configfile", "diagnose.yaml")
    assert done.code == 0, done.output
    return tree


@pytest.fixture(scope="module")
def summary(finished):
    folder = finished / "results" / "summary"
    return {name: pd.read_csv(folder / f"{name}.csv") for name in evaluation.TABLES}


def test_every_student_has_every_term_of_the_bound(finished, summary):
    cells = Benchmark.parse(load([finished / "diagnose.yaml"])).cells
    counts = summary["bound"].groupby(["pair", "regime", "method", "variant", "seed"]).term.nunique()
    assert len(counts) == 2 * len(cells)
    assert counts.nunique() == 1
    assert summary["bound"].value.notna().all()


def test_mutual_information_is_estimated_on_true_and_on_made_up_pairs(summary):
    between = summary["cch"].query("quantity == 'I(T;S)'")
    assert set(between.pairing) == {"true", "within_class"}
    assert set(between.seed) == {0, 1}


def test_the_candidates_of_a_student_are_its_teachers_and_none(summary):
    assert len(summary["selection"]) > 0
    assert set(summary["criteria"].criterion)


def test_a_pilot_is_scored_on_validation_data_alone(finished):
    records = json.loads(
        (finished / f"results/diagnostics/pilot/{PAIR}/paired/kd/block0/records.json").read_text()
    )
    assert [set(record["scores"]) for record in records] == [{"val"}, {"val"}]
    assert {record["recipe"]["epochs"] for record in records} == {2}


def test_the_report_shows_what_was_diagnosed(finished):
    page = (finished / "results" / "report.html").read_text()
    for place in ("figure-slack", "figure-closed_forms", 'id="diagnoses"'):
        assert place in page


def test_nothing_runs_a_second_time(snakemake, finished):
    assert snakemake(finished, "-n", "--configfile", "diagnose.yaml").jobs == {}
