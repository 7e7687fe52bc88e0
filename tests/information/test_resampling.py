"""The intervals of a mean, whose standard error is known."""

import numpy as np
import pytest

from ucmkd.information.resampling import HALVES, RESAMPLES, bootstrapped, subsampled

N = 400
VALUES = 5 + np.random.default_rng(0).standard_normal(N)
ERROR = VALUES.std(ddof=1) / np.sqrt(N)


def mean(rows):
    return float(VALUES[rows].mean())


@pytest.mark.parametrize(("resampled", "count"), [(bootstrapped, RESAMPLES), (subsampled, HALVES)])
def test_width_is_that_of_the_standard_error(resampled, count):
    said = resampled(mean, N, rng=np.random.default_rng(1))
    assert said.value == pytest.approx(VALUES.mean())
    # A standard deviation of k normal replicates has a relative error of 1 / sqrt(2k), a 2.5 % quantile of
    # about 2.7 / (1.96 sqrt(k)); three of the latter.
    assert (said.high - said.low) / (2 * 1.96 * ERROR) == pytest.approx(1, abs=4.1 / np.sqrt(count))


def test_halves_within_classes_hold_half_of_each():
    classes = np.repeat([0, 1, 2], [10, 20, 370])
    seen = []

    def note(rows):
        seen.append(np.bincount(classes[rows], minlength=3))
        return 1.0

    subsampled(note, N, rng=np.random.default_rng(2), classes=classes)
    assert all((counts == [5, 10, 185]).all() for counts in seen[:HALVES])


def test_rows_of_a_half_are_distinct():
    seen = []

    def note(rows):
        seen.append(len(np.unique(rows)) == len(rows))
        return 1.0

    subsampled(note, N, rng=np.random.default_rng(3))
    assert all(seen)


@pytest.mark.parametrize("resampled", [bootstrapped, subsampled])
def test_all_is_between_zero_and_the_cap(resampled):
    below = resampled(lambda rows: mean(rows) - 9, N, rng=np.random.default_rng(4))
    assert (below.value, below.low, below.high) == (0, 0, 0)
    above = resampled(mean, N, rng=np.random.default_rng(4), cap=5 - ERROR * 5)
    assert above.low <= above.value <= above.high == above.cap
