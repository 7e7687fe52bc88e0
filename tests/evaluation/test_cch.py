"""Tables of what the complementarity hypothesis says, from its files."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ucmkd.errors import RecordError
from ucmkd.evaluation.cch import COMPARED, MAIN, cch_table, facts_table, verdicts_table
from ucmkd.evaluation.tables import write_table

TABLES = {"rows": cch_table, "verdicts": verdicts_table, "facts": facts_table}


def content(pair: str = "a_b", seeds: tuple[int, ...] = (0, 1)) -> dict[str, Any]:
    """What a job leaves, in small."""
    numbers = {"value": 0.5, "low": 0.4, "high": 0.6, "cap": None}
    return {
        "pair": pair,
        "rows": [
            {"seed": seed, "pairing": "true", "quantity": "I(T;S)", "estimator": "ksg"} | numbers
            for seed in seeds
        ]
        + [
            {"seed": seeds[0], "pairing": "within_class", "quantity": "I(T;S)", "estimator": "infonce"}
            | {"value": None, "low": None, "high": None, "cap": 3.9}
        ],
        "verdicts": [
            {"seed": seed, "pairing": "true", "between": between, "about": about, "margin": 0.25,
             "verdict": "help"}
            for seed in seeds
            for between, about in COMPARED
        ],
        "facts": [{"seed": seed, "name": "teacher_accuracy", "value": 0.9} for seed in seeds],
    }  # fmt: skip


def write(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value))
    return path


def test_estimates_stand_one_a_row_and_what_is_not_known_is_empty(tmp_path: Path) -> None:
    table = cch_table([write(tmp_path / "a.json", content()), write(tmp_path / "b.json", content("c_d"))])
    assert list(table) == ["pair", "seed", "pairing", "quantity", "estimator", "value", "low", "high", "cap"]
    assert table.pair.tolist() == 3 * ["a_b"] + 3 * ["c_d"]
    assert table.seed.tolist() == 2 * [0, 1, 0]
    assert table.value[:2].tolist() == [0.5, 0.5]
    assert np.isnan(table.value[2])
    assert np.isnan(table.cap[0])
    assert table.cap[2] == 3.9


def test_the_main_verdict_is_marked(tmp_path: Path) -> None:
    table = verdicts_table([write(tmp_path / "a.json", content())])
    assert len(table) == 2 * len(COMPARED)
    main = table[table.main]
    assert set(zip(main.between, main.about, strict=True)) == {MAIN}
    assert main.seed.tolist() == [0, 1]


def test_blocks_of_a_pair_come_together(tmp_path: Path) -> None:
    files = [write(tmp_path / "0.json", content()), write(tmp_path / "1.json", content(seeds=(2, 3)))]
    assert facts_table(files).seed.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("table", TABLES.values())
def test_nothing_gives_a_heading_that_can_be_written_and_read(table: Any, tmp_path: Path) -> None:
    empty = table([])
    write_table(tmp_path, "empty", empty)
    assert list(pd.read_csv(tmp_path / "empty.csv")) == list(empty)
    assert empty.empty


def damaged(part: str, **changes: Any) -> dict[str, Any]:
    value = content()
    value[part][0] |= changes
    return value


DAMAGED = {
    "not a map": ("rows", []),
    "no pair": ("rows", {name: part for name, part in content().items() if name != "pair"}),
    "no rows": ("rows", {"pair": "a_b"}),
    "rows are no list": ("rows", content() | {"rows": 3}),
    "row without estimator": ("rows", content() | {"rows": [{"seed": 0, "pairing": "true"}]}),
    "text for a number": ("rows", damaged("rows", value="0.5")),
    "truth for a number": ("rows", damaged("rows", value=True)),
    "infinite": ("rows", damaged("rows", high=float("inf"))),
    "not a number": ("verdicts", damaged("verdicts", margin=float("nan"))),
    "no verdict": ("verdicts", content() | {"verdicts": [{"seed": 0}]}),
    "fact without value": ("facts", content() | {"facts": [{"seed": 0, "name": "mfh_gamma"}]}),
}


@pytest.mark.parametrize(("part", "value"), DAMAGED.values(), ids=DAMAGED)
def test_damaged_files_are_refused(part: str, value: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "block0.json", value)
    with pytest.raises(RecordError, match=r"block0\.json: damaged .* delete it and run again"):
        TABLES[part]([path])


@pytest.mark.parametrize("table", TABLES.values())
def test_missing_and_unreadable_files_are_refused(table: Any, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"no such file"):
        table([tmp_path / "none.json"])
    (tmp_path / "half.json").write_text('{"pair": "a_b", "rows": [')
    with pytest.raises(RecordError, match=r"half\.json"):
        table([tmp_path / "half.json"])


def test_two_files_with_one_seed_of_a_pair_are_refused(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{name}.json", content()) for name in "xy"]
    with pytest.raises(RecordError, match=r"seed [01] of pair a_b stands in .*x\.json and in .*y\.json"):
        cch_table(files)
