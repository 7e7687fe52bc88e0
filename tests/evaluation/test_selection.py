"""Which criterion picks the right teacher, on tables whose answers are known."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from ucmkd.errors import RecordError
from ucmkd.evaluation.cch import COMPARED, MAIN
from ucmkd.evaluation.selection import (
    MAIN_MARGIN,
    NATURAL_ZERO,
    NO_TEACHER,
    SELECTION,
    auroc,
    balanced_accuracy,
    criteria_table,
    selection_table,
    spearman,
)
from ucmkd.evaluation.tables import write_table

PAIRS = {
    "t1_s": {"teacher": "t1", "student": "s"},
    "t2_s": {"teacher": "t2", "student": "s"},
    "t1_z": {"teacher": "t1", "student": "z"},
}


def selection(gains: dict[str, dict[str, float]], values: Any, criterion: str = MAIN_MARGIN) -> pd.DataFrame:
    """Make a table of one criterion and method; ``values`` follows from student, teacher and gain."""
    rows = []
    for student, of_teachers in gains.items():
        zero = 0.0 if NATURAL_ZERO[criterion] else math.nan
        rows.append((student, NO_TEACHER, "", zero, 0.0))
        for teacher, gain in of_teachers.items():
            rows.append((student, teacher, f"{teacher}_{student}", values(student, teacher, gain), gain))
    table = pd.DataFrame(rows, columns=["student", "teacher", "pair", "value", "gain_points"])
    given = {"regime": "paired", "method": "kd", "variant": "default", "criterion": criterion}
    ends = dict.fromkeys(("value_low", "value_high", "gain_low", "gain_high"), math.nan)
    return table.assign(**given, **ends)[list(SELECTION)]


GAINS = {
    "s": {"t1": 2.0, "t2": -1.0, "t3": 0.5},
    "z": {"t1": -3.0, "t2": -0.5},
    "w": {"t1": 4.0, "t2": 1.0, "t3": -2.0},
}


def of(table: pd.DataFrame) -> Any:
    (row,) = criteria_table(table).itertuples(index=False)
    return row


class TestCriteria:
    def test_the_gain_itself_is_perfect(self) -> None:
        row = of(selection(GAINS, lambda student, teacher, gain: gain))
        assert (row.n_students, row.n_combinations) == (3, 8)
        assert row.regret_points == row.harmful_share == 0
        assert row.auroc == row.balanced_accuracy == 1
        assert row.spearman_within == row.spearman_overall == pytest.approx(1)

    def test_its_opposite_is_as_bad_as_can_be(self) -> None:
        """It picks the worst teacher of each: regrets 2 + 1, 0 + 3 and 4 + 2."""
        row = of(selection(GAINS, lambda student, teacher, gain: -gain))
        assert row.regret_points == pytest.approx((3 + 3 + 6) / 3)
        assert row.harmful_share == 1
        assert row.auroc == row.balanced_accuracy == 0
        assert row.spearman_within == row.spearman_overall == pytest.approx(-1)

    def test_no_teacher_is_picked_where_all_values_are_below_zero(self) -> None:
        row = of(selection(GAINS, lambda student, teacher, gain: gain - 10))
        assert row.regret_points == pytest.approx((2 + 0 + 4) / 3)
        assert row.harmful_share == 0
        assert row.auroc == 1
        assert row.balanced_accuracy == 0.5

    def test_a_value_of_zero_is_no_reason_to_distil(self) -> None:
        row = of(selection({"z": {"t1": -3.0}}, lambda *_: 0.0))
        assert (row.regret_points, row.harmful_share) == (0, 0)

    def test_a_criterion_without_a_zero_always_picks_a_teacher(self) -> None:
        """Student z then gets its least bad one."""
        row = of(selection(GAINS, lambda student, teacher, gain: gain - 10, "teacher_accuracy"))
        assert row.regret_points == pytest.approx((0 + 0.5 + 0) / 3)
        assert row.harmful_share == pytest.approx(1 / 3)
        assert math.isnan(row.balanced_accuracy)
        assert row.auroc == 1

    def test_ranks_within_and_over_students_are_told_apart(self) -> None:
        """Right within each student, while the values of students lie on other scales."""
        offset = {"s": 0, "z": 100, "w": -100}
        row = of(selection(GAINS, lambda student, teacher, gain: gain + offset[student]))
        assert row.spearman_within == pytest.approx(1)
        gains = [gain for teachers in GAINS.values() for gain in teachers.values()]
        values = [gain + offset[s] for s, teachers in GAINS.items() for gain in teachers.values()]
        assert row.spearman_overall == pytest.approx(spearmanr(values, gains).statistic)
        assert row.spearman_overall < 0.5

    def test_students_with_one_teacher_have_no_ranks(self) -> None:
        row = of(selection({"s": {"t": 1.0}, "z": {"t": -1.0}}, lambda student, teacher, gain: gain))
        assert math.isnan(row.spearman_within)
        assert row.regret_points == 0

    def test_gains_of_one_sign_leave_classification_empty(self) -> None:
        row = of(selection({"s": {"t1": 1.0, "t2": 2.0}}, lambda student, teacher, gain: gain))
        assert math.isnan(row.auroc)
        assert math.isnan(row.balanced_accuracy)

    def test_teachers_without_a_value_are_left_out(self) -> None:
        row = of(selection(GAINS, lambda student, teacher, gain: math.nan if teacher == "t1" else gain))
        assert (row.n_students, row.n_combinations) == (3, 5)
        assert row.regret_points == 0
        nothing = of(selection(GAINS, lambda *_: math.nan))
        assert (nothing.n_students, nothing.n_combinations) == (0, 0)
        assert all(map(math.isnan, nothing[5:]))

    def test_intervals_need_six_and_hold_the_number(self) -> None:
        few = of(selection(GAINS, lambda student, teacher, gain: -gain))
        assert math.isnan(few.regret_points_low)
        draw = np.random.default_rng(0)
        gains = {f"s{n}": dict(zip("abc", draw.normal(size=3), strict=True)) for n in range(12)}
        row = of(selection(gains, lambda student, teacher, gain: gain + draw.normal()))
        for name in ("regret_points", "harmful_share", "spearman_within", "spearman_overall", "auroc",
                     "balanced_accuracy"):  # fmt: skip
            low, high = getattr(row, f"{name}_low"), getattr(row, f"{name}_high")
            assert low < getattr(row, name) < high, name

    def test_criteria_and_methods_stand_apart(self) -> None:
        one = selection(GAINS, lambda student, teacher, gain: gain)
        other = selection(GAINS, lambda student, teacher, gain: -gain, "mfh_gamma").assign(method="fitnet")
        table = criteria_table(pd.concat([one, other]))
        assert list(zip(table.criterion, table.method, strict=True)) == [
            (MAIN_MARGIN, "kd"), ("mfh_gamma", "fitnet"),
        ]  # fmt: skip
        assert table.auroc.tolist() == [1, 0]

    def test_nothing_gives_a_heading(self) -> None:
        empty = criteria_table(pd.DataFrame(columns=list(SELECTION)))
        assert empty.empty
        assert list(empty) == list(criteria_table(selection(GAINS, lambda *_: 1.0)))


@pytest.mark.parametrize("seed", range(6))
def test_statistics_are_those_of_other_packages(seed: int) -> None:
    """With ties in values and in gains."""
    draw = np.random.default_rng(seed)
    values, gains = draw.integers(-3, 4, (2, 5, 14)).astype(float)
    for row, (v, g) in enumerate(zip(values, gains, strict=True)):
        assert spearman(values, gains)[row] == pytest.approx(spearmanr(v, g).statistic)
        assert auroc(values, gains)[row] == pytest.approx(roc_auc_score(g > 0, v))
        expected = balanced_accuracy_score(g > 0, v > 0)
        assert balanced_accuracy(values, gains)[row] == pytest.approx(expected)


class TestSelection:
    def test_values_stand_beside_what_was_gained(self, tmp_path: Path) -> None:
        table = selection_table(*written(tmp_path), PAIRS)
        assert list(table) == list(SELECTION)
        assert set(table.criterion) == set(NATURAL_ZERO)
        margin = table[(table.criterion == MAIN_MARGIN) & (table.variant == "default")]
        assert list(zip(margin.student, margin.teacher, margin.pair, strict=True)) == [
            ("s", NO_TEACHER, ""), ("s", "t1", "t1_s"), ("s", "t2", "t2_s"),
            ("z", NO_TEACHER, ""), ("z", "t1", "t1_z"),
        ]  # fmt: skip
        assert margin.value.tolist() == pytest.approx([0, 0.15, 0.25, 0, 0.35])
        assert margin.gain_points.tolist() == pytest.approx([0, 1, -2, 0, 3])
        assert margin.gain_low.tolist() == pytest.approx([0, 0.5, -2.5, 0, 2.5])
        first = margin[margin.pair == "t1_s"].iloc[0]
        assert first.value_low == pytest.approx(0.1)
        assert first.value_high == pytest.approx(0.2)

    def test_other_criteria_come_from_facts_and_pilots(self, tmp_path: Path) -> None:
        table = selection_table(*written(tmp_path), PAIRS)
        values = table[table.variant == "default"].set_index(["criterion", "pair"]).value
        assert values["teacher_accuracy", "t1_s"] == pytest.approx(0.8)
        assert values["mfh_gamma", "t2_s"] == pytest.approx(0.4)
        assert values["gaussian_gain", "t1_z"] == pytest.approx(0.01)
        assert values["pilot_gain", "t1_s"] == pytest.approx((10 - 5) / 2)
        assert math.isnan(values["pilot_gain", "t2_s"])

    def test_only_criteria_with_a_zero_value_no_teacher(self, tmp_path: Path) -> None:
        table = selection_table(*written(tmp_path), PAIRS)
        nobody = table[table.teacher == NO_TEACHER]
        assert (nobody.gain_points == 0).all()
        for criterion, rows in nobody.groupby("criterion"):
            assert rows.value.isna().all() != NATURAL_ZERO[str(criterion)]

    def test_pilots_are_of_default_settings(self, tmp_path: Path) -> None:
        table = selection_table(*written(tmp_path), PAIRS)
        light = table[(table.variant == "light") & (table.teacher != NO_TEACHER)]
        assert light[light.criterion == "pilot_gain"].value.isna().all()
        assert light[light.criterion == MAIN_MARGIN].value.notna().all()

    def test_only_paired_methods_with_their_true_teacher_are_compared(self, tmp_path: Path) -> None:
        files, pilots, comparisons = written(tmp_path)
        odd = [comparisons.assign(regime="class_cond"), comparisons.assign(variant="random_teacher"),
               comparisons.assign(baseline="ce"), comparisons.assign(metric="nll"),
               comparisons.assign(regime="alone", method="ce")]  # fmt: skip
        more = selection_table(files, pilots, pd.concat([comparisons, *odd]), PAIRS)
        pd.testing.assert_frame_equal(more, selection_table(files, pilots, comparisons, PAIRS))

    def test_tables_with_categories_do_as_well(self, tmp_path: Path) -> None:
        files, pilots, comparisons = written(tmp_path)
        names = ["pair", "regime", "method", "variant"]
        categories = comparisons.astype(dict.fromkeys(names, "category"))
        pd.testing.assert_frame_equal(
            selection_table(files, pilots, categories, PAIRS),
            selection_table(files, pilots, comparisons, PAIRS),
        )

    def test_margins_of_rows_paired_anew_do_not_count(self, tmp_path: Path) -> None:
        """The files hold them with a margin of 9."""
        table = selection_table(*written(tmp_path), PAIRS)
        assert not (table.value == 9).any()

    def test_pairs_whose_joint_law_is_unknown_have_no_margin(self, tmp_path: Path) -> None:
        _, pilots, comparisons = written(tmp_path)
        files = [write_cch(tmp_path / "unpaired.json", "t1_s", [None, None])]
        table = selection_table(files, pilots, comparisons, PAIRS)
        row = table[(table.criterion == MAIN_MARGIN) & (table.pair == "t1_s")]
        assert row.value.isna().all()
        assert set(table.pair) == {"", "t1_s"}

    def test_what_was_selected_is_judged_by_criteria_as_read_back(self, tmp_path: Path) -> None:
        table = selection_table(*written(tmp_path), PAIRS)
        write_table(tmp_path, "selection", table)
        read = pd.read_csv(tmp_path / "selection.csv", keep_default_na=False, na_values=[""])
        criteria = criteria_table(table)
        pd.testing.assert_frame_equal(criteria, criteria_table(read))
        row = criteria[(criteria.criterion == MAIN_MARGIN) & (criteria.method == "kd")].iloc[0]
        assert (row.n_students, row.n_combinations) == (2, 3)
        assert row.regret_points == pytest.approx((1 - -2 + 0) / 2)

    def test_nothing_gives_a_heading(self, tmp_path: Path) -> None:
        files, pilots, comparisons = written(tmp_path)
        for table in (selection_table([], [], comparisons, PAIRS),
                      selection_table(files, pilots, comparisons[:0], PAIRS),
                      selection_table([], [], comparisons[:0], {})):  # fmt: skip
            assert table.empty
            assert list(table) == list(SELECTION)

    def test_damaged_files_are_refused(self, tmp_path: Path) -> None:
        files, pilots, comparisons = written(tmp_path)
        with pytest.raises(RecordError, match="pair t1_z, which the configuration does not have"):
            selection_table(files, [], comparisons, {name: PAIRS[name] for name in ("t1_s", "t2_s")})
        (pilots[0] / "records.json").write_text('[{"pair": "t1_s"}]')
        with pytest.raises(RecordError, match=r"records\.json: damaged .*delete"):
            selection_table(files, pilots, comparisons, PAIRS)
        with pytest.raises(RecordError, match="no such file"):
            selection_table(files, [tmp_path / "none"], comparisons, PAIRS)


def written(folder: Path) -> tuple[list[Path], list[Path], pd.DataFrame]:
    """Write diagnoses of three pairs with two seeds, pilots of one, and compare two methods."""
    margins = {"t1_s": [0.1, 0.2], "t2_s": [0.2, 0.3], "t1_z": [0.3, 0.4]}
    files = [write_cch(folder / f"{pair}.json", pair, of) for pair, of in margins.items()]
    scores = {"ce": (0.5, 0.6), "kd": (0.6, 0.55)}
    pilots = [write_pilot(folder / "pilot" / method, "t1_s", method, of) for method, of in scores.items()]
    gains = {"t1_s": 0.01, "t2_s": -0.02, "t1_z": 0.03}
    rows = [
        {"pair": pair, "regime": "paired", "method": "kd", "variant": variant, "gain": gain,
         "ci_low": gain - 0.005, "ci_high": gain + 0.005}
        for variant in ("default", "light")
        for pair, gain in gains.items()
    ]  # fmt: skip
    return files, pilots, pd.DataFrame(rows).assign(baseline="ce_teacher_recipe", metric="accuracy")


def write_cch(path: Path, pair: str, margins: list[float | None]) -> Path:
    other = {"true": 0.5, "within_class": 9.0}
    verdicts = [
        {"seed": seed, "pairing": pairing, "between": between, "about": about, "verdict": "help",
         "margin": of if (between, about, pairing) == (*MAIN, "true") else other[pairing]}
        for seed, of in enumerate(margins)
        for pairing in ("true", "within_class")
        for between, about in COMPARED
    ]  # fmt: skip
    known = {"teacher_accuracy": 0.8, "mfh_gamma": 0.4, "gaussian_gain": 0.01, "gaussian_u_star": 0.3}
    facts = [{"seed": seed, "name": name, "value": value}
             for seed in range(len(margins)) for name, value in known.items()]  # fmt: skip
    path.write_text(json.dumps({"pair": pair, "rows": [], "verdicts": verdicts, "facts": facts}))
    return path


def write_pilot(folder: Path, pair: str, method: str, accuracies: tuple[float, ...]) -> Path:
    folder.mkdir(parents=True)
    records = [
        {"pair": pair, "regime": "alone" if method == "ce" else "paired", "method": method, "seed": seed,
         "scores": {"val": {"accuracy": accuracy}}}
        for seed, accuracy in enumerate(accuracies)
    ]  # fmt: skip
    (folder / "records.json").write_text(json.dumps(records))
    return folder
