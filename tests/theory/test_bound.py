"""Every term of the bound together."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax

from ucmkd.errors import DataError
from ucmkd.theory.bound import HeldOut, bound_terms
from ucmkd.theory.head import Head
from ucmkd.theory.terms import CALIBRATED, TERMS

CLASSES, WIDTH, ROWS = 4, 3, 60


def side(draw: np.random.Generator, features: np.ndarray, head: Head) -> HeldOut:
    """Give a side whose labels are drawn from the softmax of its logits."""
    logits = features @ head.weight.T + head.bias
    below = softmax(logits, axis=1).cumsum(axis=1) < draw.uniform(size=(len(logits), 1))
    labels = np.minimum(below.sum(axis=1), CLASSES - 1)
    return HeldOut(features, logits, labels, logits[::2], labels[::2])


def any_head(draw: np.random.Generator, size: float = 2.0) -> Head:
    return Head(size * draw.normal(size=(CLASSES, WIDTH)), draw.normal(size=CLASSES))


def made(seed: int = 0, rows: int = ROWS, teacher_rows: int = ROWS) -> tuple[HeldOut, HeldOut, Head]:
    """Give a student, a calibrated teacher, and the teacher's head."""
    draw = np.random.default_rng(seed)
    head = any_head(draw)
    student = side(draw, draw.normal(size=(rows, WIDTH)) + 0.5, any_head(draw))
    return student, side(draw, 1.5 * draw.normal(size=(teacher_rows, WIDTH)), head), head


def terms(student: HeldOut, teacher: HeldOut, head: Head) -> dict[str, float]:
    return bound_terms(student, teacher, head, np.random.default_rng(0))


@pytest.fixture(scope="module")
def found() -> dict[str, float]:
    return terms(*made())


def test_every_term_has_words_and_every_word_a_term(found: dict[str, float]) -> None:
    assert set(found) == set(TERMS)
    assert all(math.isfinite(value) for value in found.values())


@pytest.mark.parametrize("ending", ["", CALIBRATED])
class TestAccounts:
    @pytest.mark.parametrize("form", ["entropy", "neighbours", "plug_in"])
    def test_label_alignment_is_the_error_without_c(
        self, form: str, ending: str, found: dict[str, float]
    ) -> None:
        error, c = found[f"error/student{ending}"], found[f"C/{form}{ending}"]
        assert found[f"LA/{form}{ending}"] == pytest.approx(error - c)

    @pytest.mark.parametrize(
        ("form", "alignment"),
        [("entropy", "exact"), ("plug_in", "exact"), ("neighbours", "neighbours"), ("cap", "cap")],
    )
    def test_slack_is_both_sides_of_the_bound_apart(
        self, form: str, alignment: str, ending: str, found: dict[str, float]
    ) -> None:
        label = "entropy" if form == "cap" else form
        right = sum(found[name + ending] for name in ("error/teacher", f"FA/{alignment}", f"LA/{label}"))
        assert found[f"slack/{form}{ending}"] == pytest.approx(right - found[f"error/student{ending}"])

    def test_the_plug_in_is_the_smallest_c(self, ending: str, found: dict[str, float]) -> None:
        assert found[f"C/plug_in{ending}"] <= min(1 / math.e, found[f"C/entropy{ending}"])

    def test_the_constant_in_use_is_below_the_cap(self, ending: str, found: dict[str, float]) -> None:
        slopes = [found[f"tau/{name}{ending}"] for name in ("pairs_p99", "pairs_max", "used", "cap")]
        assert slopes == sorted(slopes)


class TestInequality:
    @pytest.mark.parametrize("seed", range(4))
    @pytest.mark.parametrize("alignment", ["exact", "cap"])
    def test_duality_holds_on_samples_of_equal_size(self, alignment: str, seed: int) -> None:
        found = terms(*made(seed))
        for ending in ("", CALIBRATED):
            assert found[f"gap/entropy{ending}"] <= found[f"FA/{alignment}{ending}"]
            assert found[f"gap/neighbours{ending}"] <= found[f"FA/neighbours{ending}"]

    @pytest.mark.parametrize("seed", range(4))
    def test_the_bound_holds_with_an_upper_bound_of_the_constant(self, seed: int) -> None:
        found = terms(*made(seed))
        right = found["error/teacher"] + found["FA/cap"] + found["LA/entropy"]
        assert found["error/student"] <= right

    def test_a_student_with_the_teachers_features_has_no_alignment_to_pay(self) -> None:
        _, teacher, head = made()
        found = terms(teacher, teacher, head)
        # the sides are shuffled apart, yet hold the same points
        assert found["W/exact"] == pytest.approx(0, abs=1e-9)
        assert found["gap/entropy"] == pytest.approx(0, abs=1e-12)
        assert found["label_gap/agreement"] == 1
        assert found["label_gap/kl"] == pytest.approx(0, abs=1e-9)
        assert found["slack/entropy"] == pytest.approx(found["error/teacher"] - found["C/entropy"])


class TestInvariance:
    def test_another_student_head_changes_the_error_and_not_the_slack(self, found: dict[str, float]) -> None:
        student, teacher, head = made()
        other = np.random.default_rng(9).normal(size=(2, *student.logits.shape))
        headed = replace(student, logits=other[0], validation_logits=other[1][::2])
        changed = terms(headed, teacher, head)
        kept = {name for name, value in found.items() if changed[name] == value}
        moved = {"error/student", "LA/entropy", "LA/neighbours", "LA/plug_in", "label_gap/kl"}
        assert set(found) - kept == moved | {name + CALIBRATED for name in moved} | {
            "label_gap/agreement", "temperature/student",
        }  # fmt: skip

    def test_scaling_features_against_heads_moves_the_distance_and_nothing_that_is_plotted(
        self, found: dict[str, float]
    ) -> None:
        student, teacher, head = made()
        scaled = terms(
            replace(student, features=8 * student.features),
            replace(teacher, features=8 * teacher.features),
            Head(head.weight / 8, head.bias),
        )
        assert scaled["W/exact"] == pytest.approx(8 * found["W/exact"])
        assert scaled["tau/used"] == pytest.approx(found["tau/used"] / 8)
        for name in found:
            if name.startswith(("FA/", "C/", "LA/", "slack/", "W_standardised/", "dimension/")):
                assert scaled[name] == pytest.approx(found[name], rel=2e-3), name

    def test_the_order_of_rows_does_not_decide_which_take_part(self) -> None:
        student, teacher, head = made(teacher_rows=200)
        order = np.argsort(teacher.features[:, 0])
        first = terms(student, teacher, head)["W/exact"]
        in_order = replace(teacher, features=teacher.features[order], logits=teacher.logits[order],
                           labels=teacher.labels[order])  # fmt: skip
        assert terms(student, in_order, head)["W/exact"] == pytest.approx(first, rel=0.25)


class TestOddInput:
    def test_a_collapsed_student_has_no_dimension_but_everything_else(self, found: dict[str, float]) -> None:
        student, teacher, head = made()
        flat = replace(student, features=np.zeros_like(student.features))
        missing = set(found) - set(terms(flat, teacher, head))
        assert missing == {"dimension/student", "rate/student"}

    @pytest.mark.parametrize("what", ["features", "logits", "validation_logits"])
    def test_what_is_not_finite_is_refused(self, what: str) -> None:
        student, teacher, head = made()
        broken = getattr(student, what).copy()
        broken[3, 1] = np.nan
        with pytest.raises(DataError, match=f"student's {what.replace('_', ' ')}"):
            terms(replace(student, **{what: broken}), teacher, head)

    def test_sides_of_different_width_are_refused(self) -> None:
        student, teacher, head = made()
        with pytest.raises(DataError, match="widths 2 and 3"):
            terms(replace(student, features=student.features[:, :2]), teacher, head)
