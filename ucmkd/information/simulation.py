"""Closed forms against simulation: the risk of distillation, and estimates of information that is known."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ucmkd.information.estimates import (
    ABOUT_LABELS,
    BETWEEN,
    Array,
    Estimate,
    Labels,
    information_about_labels,
    information_between,
)
from ucmkd.information.gaussian import information_of_correlations
from ucmkd.information.risk import LinearProblem, excess_risk, simulate_risk
from ucmkd.seeding import generator_for

PROBLEMS = {
    "CCH holds, teacher helps": LinearProblem(n=60, p=20, sigma2=1.0, sigma_t2=0.5, c=0.0, b=0.02),
    "CCH violated, teacher helps": LinearProblem(n=60, p=20, sigma2=1.0, sigma_t2=2.0, c=0.0, b=0.02),
    "teacher hurts at every weight": LinearProblem(n=60, p=20, sigma2=1.0, sigma_t2=4.0, c=1.5, b=0.02),
    "teacher is the label": LinearProblem(n=60, p=20, sigma2=1.0, sigma_t2=1.0, c=1.0, b=0.0),
}
WEIGHTS = tuple(np.linspace(0, 1, 11).round(2).tolist())
DRAWS = 1000

CORRELATIONS = (0.0, 0.3, 0.6, 0.9)
SEPARATIONS = (0.0, 1.0, 2.0, 4.0)
"""Distances of the means of two classes, in standard deviations within class."""

DIMENSIONS = (1, 5)
ROWS = 400
"""Of every data set of known information: about as many as a pair holds out."""

_NODES = 80


def simulation_table(*, seed: int) -> list[dict[str, Any]]:
    """Compare simulation and closed forms.

    Returns
    -------
    list of dict
        ``kind`` (``risk`` or ``information``), ``case``, ``x`` (weight u of the teacher, correlation, or
        separation of two classes), ``estimator`` (empty for the risk), ``closed_form``, ``simulated``,
        ``low``, ``high``. The interval of a risk is that of the mean over draws, at 95 %; that of an
        information is the estimator's own, from one data set of 400 rows.
    """
    return [*_risks(seed), *_between(seed), *_about_classes(seed)]


def correlated(n: int, d: int, correlation: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """Draw two Gaussian vectors (n, d) whose i-th coordinates correlate, and no others."""
    first, noise = rng.standard_normal((2, n, d))
    return first, correlation * first + np.sqrt(1 - correlation**2) * noise


def two_classes(n: int, d: int, separation: float, rng: np.random.Generator) -> tuple[Array, Labels]:
    """Draw features (n, d) of two equal classes, Gaussian within class, with means this far apart."""
    labels = rng.permutation(np.arange(n) % 2)
    shift = separation / np.sqrt(d) * (labels - 0.5)
    return shift[:, None] + rng.standard_normal((n, d)), labels


def class_information(separation: float) -> float:
    """Give the information of two equal Gaussian classes with unit variance, by Gauss-Hermite quadrature.

    It is that of the features along the line between the means: log 2 less the mean entropy of the class
    given the features.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    log_odds = separation * (nodes + separation / 2)
    return float(np.log(2) - weights @ np.logaddexp(0, -log_odds) / weights.sum())


def _risks(seed: int) -> Iterator[dict[str, Any]]:
    for case, problem in PROBLEMS.items():
        for u in WEIGHTS:
            rng = generator_for(seed, "simulation", case, str(u))
            risks = simulate_risk(problem, u, draws=DRAWS, rng=rng)
            mean, reach = float(risks.mean()), 1.96 * float(risks.std(ddof=1)) / np.sqrt(DRAWS)
            said = Estimate(mean, mean - reach, mean + reach, None)
            yield _row("risk", case, u, "", excess_risk(problem, u), said)


def _between(seed: int) -> Iterator[dict[str, Any]]:
    for d in DIMENSIONS:
        for correlation in CORRELATIONS:
            rng = generator_for(seed, "simulation", "between", d, str(correlation))
            known = information_of_correlations(np.full(d, correlation))
            first, second = correlated(ROWS, d, correlation, rng)
            for name in BETWEEN:
                said = information_between(first, second, name, seed=seed)
                yield _row("information", f"Gaussian, {_dimensions(d)}", correlation, name, known, said)


def _about_classes(seed: int) -> Iterator[dict[str, Any]]:
    for d in DIMENSIONS:
        for separation in SEPARATIONS:
            rng = generator_for(seed, "simulation", "classes", d, str(separation))
            features, labels = two_classes(ROWS, d, separation, rng)
            for name in ABOUT_LABELS:
                said = information_about_labels(features, labels, name, seed=seed)
                case, known = f"two classes, {_dimensions(d)}", class_information(separation)
                yield _row("information", case, separation, name, known, said)


def _dimensions(d: int) -> str:
    return "1 dimension" if d == 1 else f"{d} dimensions"


def _row(
    kind: str, case: str, x: float, estimator: str, closed_form: float, said: Estimate
) -> dict[str, Any]:
    return {
        "kind": kind, "case": case, "x": x, "estimator": estimator, "closed_form": closed_form,
        "simulated": said.value, "low": said.low, "high": said.high,
    }  # fmt: skip
