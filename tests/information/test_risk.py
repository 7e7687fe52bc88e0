import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from ucmkd.errors import DataError
from ucmkd.information.risk import (
    LinearProblem,
    best_weight,
    excess_risk,
    fit_problem,
    gain,
    simulate_risk,
)
from ucmkd.information.simulation import PROBLEMS

HELPS, HURTS = PROBLEMS["CCH violated, teacher helps"], PROBLEMS["teacher hurts at every weight"]


def random_problems(count):
    rng = np.random.default_rng(0)
    for _ in range(count):
        sigma2, sigma_t2, b = rng.uniform(0.1, 3, 3)
        c = rng.uniform(-1, 1) * np.sqrt(sigma2 * sigma_t2)
        p = int(rng.integers(2, 10))
        yield LinearProblem(
            n=p + 2 + int(rng.integers(1, 40)), p=p, sigma2=sigma2, sigma_t2=sigma_t2, c=c, b=b * 0.2
        )


@pytest.mark.parametrize("u", [0.0, 0.3, 0.7, 1.0])
@pytest.mark.parametrize(
    "problem",
    [
        *PROBLEMS.values(),
        LinearProblem(n=30, p=3, sigma2=0.5, sigma_t2=1.5, c=-0.4, b=0.6),
        LinearProblem(n=12, p=4, sigma2=1.0, sigma_t2=0.0, c=0.0, b=0.3),
    ],
)
def test_simulation_gives_the_closed_form(problem, u):
    risks = simulate_risk(problem, u, draws=2000, rng=np.random.default_rng(1))
    error = risks.std(ddof=1) / np.sqrt(len(risks))
    assert abs(risks.mean() - excess_risk(problem, u)) < 4 * error + 1e-12


def test_a_teacher_may_help_where_cch_is_violated():
    assert HELPS.sigma_t2 > HELPS.sigma2
    assert excess_risk(HELPS, 0) == pytest.approx(0.513, abs=5e-4)
    assert excess_risk(HELPS, best_weight(HELPS)) == pytest.approx(0.344, abs=5e-4)


def test_a_teacher_may_hurt_at_every_weight():
    assert all(excess_risk(HURTS, u) > excess_risk(HURTS, 0) for u in np.linspace(0.001, 1, 50))
    assert best_weight(HURTS) == 0
    assert gain(HURTS) == 0


def test_a_teacher_that_repeats_the_labels_changes_nothing():
    same = PROBLEMS["teacher is the label"]
    assert [excess_risk(same, u) for u in np.linspace(0, 1, 7)] == pytest.approx([20 / 39] * 7)
    assert gain(same) == 0


@pytest.mark.parametrize("problem", list(random_problems(12)))
def test_best_weight_is_the_minimum(problem):
    found = minimize_scalar(
        lambda u: excess_risk(problem, u), bounds=(0, 1), method="bounded", options={"xatol": 1e-9}
    )
    assert best_weight(problem) == pytest.approx(found.x, abs=1e-5)
    grid = [excess_risk(problem, u) for u in np.linspace(0, 1, 201)]
    assert gain(problem) >= excess_risk(problem, 0) - min(grid) - 1e-12


@pytest.mark.parametrize("problem", list(random_problems(12)))
def test_a_small_weight_helps_if_the_teacher_does_not_carry_all_noise_of_the_label(problem):
    slope = (excess_risk(problem, 1e-6) - excess_risk(problem, 0)) / 1e-6
    assert (slope < 0) == (problem.c < problem.sigma2)
    assert (gain(problem) > 0) == (problem.c < problem.sigma2)


def made_rows(problem, n, rng, outputs=1):
    """Draw rows of a problem without a constant, whose moments are shared among the outputs."""
    p = problem.p - 1
    moments = np.array([[problem.sigma2, problem.c], [problem.c, problem.sigma_t2]]) / outputs
    x = rng.standard_normal((n, p))
    noise = rng.multivariate_normal([0, 0], moments, (n, outputs))
    beta = rng.standard_normal((p, outputs))
    gamma = beta + np.sqrt(problem.b / (p * outputs))
    return x, x @ beta + noise[..., 0], x @ gamma + noise[..., 1]


@pytest.mark.parametrize("outputs", [1, 4])
def test_a_known_problem_is_recovered(outputs):
    known = LinearProblem(n=60, p=6, sigma2=1.0, sigma_t2=2.0, c=0.5, b=0.3)
    found = [
        fit_problem(*made_rows(known, 100, np.random.default_rng(seed), outputs), known.n)
        for seed in range(300)
    ]
    assert {(each.n, each.p) for each in found} == {(known.n, known.p)}
    for name in ("sigma2", "sigma_t2", "c", "b"):
        values = np.array([getattr(each, name) for each in found])
        error = values.std(ddof=1) / np.sqrt(len(values))
        assert abs(values.mean() - getattr(known, name)) < 4 * error, name


def test_the_noise_of_the_fits_is_no_difference_between_them():
    known = LinearProblem(n=60, p=10, sigma2=1.0, sigma_t2=1.0, c=0.0, b=0.0)
    found = [fit_problem(*made_rows(known, 60, np.random.default_rng(seed)), 60).b for seed in range(100)]
    assert min(found) == 0
    # Uncorrected, the mean were p / n times the variance of the difference of noises.
    assert np.mean(found) < 0.5 * 10 / 60 * 2


def test_a_shift_of_the_teacher_is_part_of_the_difference():
    x, y, t = made_rows(HELPS, 400, np.random.default_rng(5))
    assert fit_problem(x, y, t + 3, 60).b == pytest.approx(9 + fit_problem(x, y, t, 60).b, abs=1.5)


X, Y = np.random.default_rng(6).standard_normal((2, 20, 3))


@pytest.mark.parametrize(
    ("x", "y", "t", "n_train", "why"),
    [
        (X[:7], Y[:7], Y[:7], 60, "7 held-out rows for 3 inputs, and 8 are needed"),
        (X, Y, Y[:, :2], 60, r"teacher's outputs \(20, 2\)"),
        (X[:19], Y, Y, 60, r"inputs \(19, 3\)"),
        (X[:, 0], Y, Y, 60, r"inputs \(20,\)"),
        (X[:, :0], Y, Y, 60, r"inputs \(20, 0\)"),
        (X[:, [0, 1, 1]], Y, Y, 60, "collinear"),
        (X, np.where(Y > 1, np.nan, Y), Y, 60, "not finite"),
        (X, Y, Y, 5, "5 training rows for 4 inputs"),
    ],
)
def test_rows_that_tell_no_problem(x, y, t, n_train, why):
    with pytest.raises(DataError, match=why):
        fit_problem(x, y, t, n_train)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"n": 21}, "21 training rows for 20 inputs"),
        ({"p": 0}, "for 0 inputs"),
        ({"sigma2": -0.1}, "not finite variances"),
        ({"b": float("nan")}, "not finite variances"),
        ({"c": 1.5}, "more than the noises' variances allow"),
    ],
)
def test_problems_that_are_none(changed, why):
    values = {"n": 60, "p": 20, "sigma2": 1.0, "sigma_t2": 2.0, "c": 0.0, "b": 0.02} | changed
    with pytest.raises(DataError, match=why):
        LinearProblem(**values)
