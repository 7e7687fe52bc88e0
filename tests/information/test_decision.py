import pytest

from ucmkd.information.decision import keeps_data_processing, margin, verdict
from ucmkd.information.estimates import Estimate


def said(low, high, cap=None):
    return Estimate((low + high) / 2, low, high, cap)


@pytest.mark.parametrize(
    ("between", "about", "expected"),
    [
        (said(2.0, 2.4), said(1.0, 1.4), "help"),
        (said(0.2, 0.4), said(1.0, 1.4), "no help"),
        (said(1.2, 2.4), said(1.0, 1.4), "undecided"),
        (said(0.2, 1.1), said(1.0, 1.4), "undecided"),
        (said(1.4, 1.6), said(1.0, 1.4), "undecided"),
        (said(2.0, 2.4, cap=3.5), said(1.0, 1.4), "help"),
        (said(0.2, 0.4, cap=3.5), said(1.0, 1.4), "no help"),
        (said(0.2, 0.4, cap=0.9), said(1.0, 1.4), "undecided"),
        (said(0.2, 0.4, cap=1.4), said(1.0, 1.4), "undecided"),
    ],
)
def test_verdict(between, about, expected):
    assert verdict(between, about) == expected


def test_margin_is_positive_where_teacher_and_student_share_more():
    assert margin(said(2.0, 2.4), said(1.0, 1.4)) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("between", "kept"), [(said(0, 0.5), True), (said(0.9, 2.0), True), (said(1.1, 2.0), False)]
)
def test_shared_information_is_at_most_that_of_either_side_about_the_class(between, kept):
    assert keeps_data_processing(between, said(1.5, 2.0), said(0.8, 1.0)) == kept
    assert keeps_data_processing(between, said(0.8, 1.0), said(1.5, 2.0)) == kept
