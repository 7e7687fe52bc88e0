"""Temperature scaling."""

import numpy as np
import pytest
from scipy.special import softmax

from ucmkd.evaluation.metrics import nll
from ucmkd.theory.calibration import HIGHEST, LOWEST, temperature


def sample(seed: int, n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Give calibrated logits, and labels that are drawn from their softmax."""
    draw = np.random.default_rng(seed)
    logits = 2 * draw.normal(size=(n, 3))
    below = softmax(logits, axis=1).cumsum(axis=1) < draw.uniform(size=(n, 1))
    return logits, below.sum(axis=1)


@pytest.mark.parametrize("factor", [0.2, 1.0, 4.0])
def test_it_finds_the_factor_of_calibrated_logits(factor: float) -> None:
    logits, labels = sample(0)
    assert temperature(factor * logits, labels) == pytest.approx(factor, rel=0.06)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("factor", [0.1, 1.0, 30.0])
def test_the_data_it_is_fitted_to_never_fit_worse(factor: float, seed: int) -> None:
    logits, labels = sample(seed, 12)
    given = factor * logits
    assert nll(given / temperature(given, labels), labels) <= nll(given, labels)


def test_it_stays_within_its_range() -> None:
    right = np.eye(3)[np.arange(30) % 3]
    assert temperature(right, np.arange(30) % 3) == pytest.approx(LOWEST, rel=0.01)
    assert temperature(right, (np.arange(30) + 1) % 3) == pytest.approx(HIGHEST, rel=0.01)
