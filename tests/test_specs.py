"""What jobs are told is what their functions take, and changes with what matters alone."""

import inspect
import json

import pytest

from ucmkd import jobs, specs
from ucmkd.benchmark import Benchmark
from ucmkd.blocks import BLOCK_SIZE
from ucmkd.config import load, merge
from ucmkd.data.pairing import pair_up
from ucmkd.diagnostics.bound import bound
from ucmkd.diagnostics.cch import cch
from ucmkd.diagnostics.pilot import pilot
from ucmkd.diagnostics.simulation import simulate
from ucmkd.errors import ConfigError
from ucmkd.figures.draw import draw_all
from ucmkd.report.build import build_report
from ucmkd.tracking.publish import publish
from ucmkd.training.distill import distill
from ucmkd.training.teacher import train_teachers
from ucmkd.training.tune import tune

PAIR = "handwritten_profiles"
CONFIG = {
    "seeds": BLOCK_SIZE,
    "cells": [
        {
            "pairs": [PAIR],
            "regimes": ["paired", "disjoint_teacher"],
            "methods": ["ce", "kd", "ucmkd_paper"],
            "variants": ["default", "shuffled_teacher"],
        }
    ],
}


def parse(**changes: object) -> Benchmark:
    return Benchmark.parse(merge(load(), merge(CONFIG, changes)))


@pytest.fixture(scope="module")
def benchmark():
    return parse()


@pytest.fixture(scope="module")
def told(benchmark):
    """Every kind of specification."""
    cell = benchmark.cell(PAIR, "disjoint_teacher", "kd", "default")
    return {
        "fetch": specs.fetch(parse(cells=[{"pairs": ["mfeat_pix_mor"], "methods": ["ce"]}]), "mfeat"),
        "prepare": specs.prepare(benchmark, "digit_profiles"),
        "pair_up": specs.pair_up(benchmark, PAIR, "paired"),
        "teacher": specs.teacher(benchmark, PAIR, "own", 0),
        "tune": specs.tune(parse(tuning={"trials": 3}), f"{PAIR}/disjoint_teacher/kd"),
        "distill": specs.distill(benchmark, cell, 0),
        "bound": specs.bound(benchmark, cell, 0),
        "cch": specs.cch(benchmark, PAIR, 0),
        "pilot": specs.pilot(parse(diagnose=["cch"]), f"{PAIR}/paired/kd", 0),
        "simulate": specs.simulate(),
        "summarise": specs.summarise(benchmark),
        "figures": specs.figures(),
        "data_card": specs.data_card("digit_profiles"),
        "report": specs.report(benchmark, load()),
        "publish": specs.publish(benchmark),
    }


def names(function, *, without: tuple[str, ...] = ()) -> set[str]:
    return set(inspect.signature(function).parameters) - set(without)


def test_every_verb_is_told_what_its_function_takes(told):
    runs = {"cells", "teachers", "tuned", "seeds"}
    takes = {
        "fetch": names(jobs.fetch),
        "prepare": names(jobs.prepare),
        "pair_up": names(pair_up),
        "teacher": names(train_teachers),
        "tune": names(tune),
        "distill": names(distill),
        "bound": names(bound),
        "cch": names(cch),
        "pilot": names(pilot),
        "simulate": names(simulate),
        "summarise": names(jobs.summarise),
        "figures": names(draw_all),
        "data_card": names(jobs.data_card),
        "report": names(build_report, without=("captions_folder",)),
        "publish": names(publish, without=("block_folders",)) | runs,
    }
    assert takes.keys() == jobs.VERBS.keys()
    assert {verb: set(spec) for verb, spec in told.items()} == takes


def test_specifications_are_json_without_a_place_on_this_machine(told):
    for spec in told.values():
        text = specs.text(spec)
        assert json.loads(text) == json.loads(json.dumps(spec))
        assert str(specs.__file__.rsplit("/ucmkd", 1)[0]) not in text


def test_a_cell_with_its_own_teacher_reads_its_folder(told):
    assert (
        told["distill"]["teacher_folder"]
        == told["teacher"]["folder"]
        == f"results/teachers/{PAIR}/own/block0"
    )
    assert told["teacher"]["pair_folder"] == f"results/pairs/{PAIR}/disjoint_teacher"


def test_more_seeds_leave_full_blocks_as_they_are(benchmark):
    more = parse(seeds=BLOCK_SIZE + 3)
    assert specs.teacher(more, PAIR, "full", 0) == specs.teacher(benchmark, PAIR, "full", 0)
    assert specs.teacher(more, PAIR, "full", 1)["seeds"] == [BLOCK_SIZE, BLOCK_SIZE + 1, BLOCK_SIZE + 2]
    for key, cell in benchmark.cells.items():
        assert specs.distill(more, more.cells[key], 0) == specs.distill(benchmark, cell, 0)


def test_a_changed_setting_changes_the_cells_of_its_method_alone(benchmark):
    other = parse(settings={"ucmkd_paper": {"n1": 2}})
    changed = {
        cell.method
        for key, cell in benchmark.cells.items()
        if specs.distill(other, other.cells[key], 0) != specs.distill(benchmark, cell, 0)
    }
    assert changed == {"ucmkd_paper"}
    assert specs.teacher(other, PAIR, "full", 0) == specs.teacher(benchmark, PAIR, "full", 0)


def test_a_students_recipe_does_not_train_teachers_again(benchmark):
    other = parse(training={"student": {"noise": 0.25}})
    assert specs.teacher(other, PAIR, "full", 0) == specs.teacher(benchmark, PAIR, "full", 0)
    cell = "handwritten_profiles/paired/kd/default"
    assert specs.distill(other, other.cells[cell], 0) != specs.distill(benchmark, benchmark.cells[cell], 0)


def test_methods_have_digests_of_their_own(benchmark):
    digests = {cell.method: specs.distill(benchmark, cell, 0)["code"] for cell in benchmark.cells.values()}
    assert len(set(digests.values())) == len(digests) == 3


def test_what_is_diagnosed_is_what_the_configuration_asks_for(benchmark):
    both = parse(diagnose=["bound", "cch"])
    assert (benchmark.bounded, benchmark.complementary, benchmark.piloted) == ([], [], {})
    assert both.bounded == list(both.cells)
    assert both.complementary == [PAIR]
    assert set(both.piloted) == {
        f"{PAIR}/alone/ce",
        f"{PAIR}/paired/kd",
        f"{PAIR}/paired/ucmkd_paper",
    }


def test_a_diagnosis_reads_the_teacher_that_the_students_had(benchmark, told):
    assert told["bound"]["teacher_folder"] == told["distill"]["teacher_folder"]
    assert told["bound"]["run_folder"] == told["distill"]["folder"]
    assert told["cch"]["student_folder"] == f"results/runs/{PAIR}/alone/ce/default/block0"


def test_a_diagnosis_trains_nobody_again(benchmark):
    both = parse(diagnose=["bound", "cch"])
    for key, cell in benchmark.cells.items():
        assert specs.distill(both, both.cells[key], 0) == specs.distill(benchmark, cell, 0)


def test_complementarity_needs_a_student_trained_alone():
    lacking = [{"pairs": [PAIR], "regimes": ["paired"], "methods": ["kd"]}]
    with pytest.raises(ConfigError, match=r"diagnose: cch.*'handwritten_profiles'.*add method ce"):
        parse(diagnose=["cch"], cells=lacking)
