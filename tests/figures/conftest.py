"""Summaries of made-up benchmarks of several shapes, made once."""

from collections.abc import Callable

import pytest

from tests.evaluation.synthetic import ALONE, Key, default_cells, grid, write_benchmark
from ucmkd.evaluation.summarise import summarise
from ucmkd.evaluation.tables import Tables, read_tables

PAIRS = ("handwritten_spoken", "spoken_handwritten", "handwritten_profiles", "mnist_english")
SHAPES: dict[str, tuple[list[Key], int]] = {
    "default": (default_cells(), 2),
    "one pair, one regime, two seeds": (grid(PAIRS[:1], ["class_cond"], ["kd", "ucmkd_paper"]), 2),
    "many pairs of one regime": (grid(PAIRS, ["class_cond"], ["kd", "class_mean_soft"]), 2),
    "more methods than can be followed": (
        grid(PAIRS[:1], ["class_cond"], [f"method_{number}" for number in range(16)]),
        2,
    ),
    "pairs of two regimes and of one": (
        grid(PAIRS[:1], ["paired", "class_cond"], ["kd"]) + grid(PAIRS[1:], ["class_cond"], ["kd"]),
        2,
    ),
    "four regimes": (
        grid(PAIRS[:1], ["paired", "class_cond_disjoint", "disjoint_teacher", "unlabelled_student"], ["kd"]),
        2,
    ),
    "nobody meets a teacher": ([(PAIRS[0], "alone", method, "default") for method in ALONE], 3),
    "no reference, one seed": ([(PAIRS[0], "class_cond", "kd", "default")], 1),
}


@pytest.fixture(scope="session")
def summary_of(tmp_path_factory) -> Callable[[str], Tables]:
    """Give the tables of a shape by name."""
    made: dict[str, Tables] = {}

    def tables(shape: str) -> Tables:
        if shape not in made:
            folder = tmp_path_factory.mktemp("figures")
            cells, seeds = SHAPES[shape]
            written = write_benchmark(folder, cells, seeds, epochs=4)
            summarise(written.runs, written.teachers, written.keys, folder / "summary")
            made[shape] = read_tables(folder / "summary")
        return made[shape]

    return tables
