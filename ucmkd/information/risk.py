r"""The exact excess risk of distillation between linear models with Gaussian inputs.

The label is :math:`y = x^\top\beta + \varepsilon` and the teacher says :math:`t = x^\top\gamma + \eta`; both
noises are independent of x. A student that minimises the squared error to y plus :math:`\lambda` times that
to t is least squares on :math:`(1-u)y + ut` with :math:`u = \lambda/(1+\lambda)`.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ucmkd.errors import DataError
from ucmkd.information.estimates import Array

_ROUNDING = 1e-9


@dataclass(frozen=True)
class LinearProblem:
    """What the excess risk depends on.

    Attributes
    ----------
    n, p : int
        Training rows and inputs of the student; n is more than p + 1.
    sigma2, sigma_t2 : float
        Variances of the noises of label and teacher; summed over outputs, if there are several.
    c : float
        Covariance of both noises.
    b : float
        Variance of the difference between what the inputs say of the teacher and of the label.

    Raises
    ------
    DataError
        If there are too few rows, or the moments belong to no distribution.
    """

    n: int
    p: int
    sigma2: float
    sigma_t2: float
    c: float
    b: float

    def __post_init__(self) -> None:
        if self.p < 1 or self.n <= self.p + 1:
            raise DataError(
                f"risk: {self.n} training rows for {self.p} inputs, and least squares has a finite expected "
                "risk from inputs + 2 rows; reduce the inputs"
            )
        moments = self.sigma2, self.sigma_t2, self.c, self.b
        if not all(map(math.isfinite, moments)) or min(self.sigma2, self.sigma_t2, self.b) < 0:
            raise DataError(f"risk: the moments {moments} are not finite variances; look at the outputs")
        if abs(self.c) > math.sqrt(self.sigma2 * self.sigma_t2) * (1 + _ROUNDING) + _ROUNDING:
            raise DataError(f"risk: a covariance of {self.c} is more than the noises' variances allow")

    @property
    def rho_n(self) -> float:
        """Excess risk of least squares for each unit of noise, p / (n - p - 1)."""
        return self.p / (self.n - self.p - 1)


def excess_risk(problem: LinearProblem, u: float) -> float:
    r"""Give the expected excess risk at a weight ``u`` of the teacher, from 0 to 1.

    .. math:: R(u) = u^2 b + \rho_n\big[(1-u)^2\sigma^2 + 2u(1-u)c + u^2\sigma_t^2\big]
    """
    noise = (1 - u) ** 2 * problem.sigma2 + 2 * u * (1 - u) * problem.c + u**2 * problem.sigma_t2
    return u**2 * problem.b + problem.rho_n * noise


def best_weight(problem: LinearProblem) -> float:
    r"""Give the weight u* from 0 to 1 of least excess risk.

    .. math::
        u^\star = \operatorname{clip}_{[0,1]}
        \frac{\rho_n(\sigma^2-c)}{b+\rho_n(\sigma^2+\sigma_t^2-2c)}

    Where every weight has the same risk, this is 0.
    """
    slope = problem.rho_n * (problem.sigma2 - problem.c)
    curvature = problem.b + problem.rho_n * (problem.sigma2 + problem.sigma_t2 - 2 * problem.c)
    if slope <= 0:
        return 0.0
    return 1.0 if slope >= curvature else slope / curvature


def gain(problem: LinearProblem) -> float:
    """Give by how much the best weight lowers the excess risk, R(0) - R(u*); never negative."""
    return excess_risk(problem, 0.0) - excess_risk(problem, best_weight(problem))


def simulate_risk(problem: LinearProblem, u: float, *, draws: int, rng: np.random.Generator) -> Array:
    """Draw data sets of the problem, and give the excess risk of least squares on the blended target of each.

    Returns
    -------
    array, shape (draws,)
    """
    x = rng.standard_normal((draws, problem.n, problem.p))
    moments = [[problem.sigma2, problem.c], [problem.c, problem.sigma_t2]]
    noise = rng.multivariate_normal([0, 0], moments, (draws, problem.n), method="eigh")
    beta = np.ones(problem.p) / math.sqrt(problem.p)
    gamma = beta + math.sqrt(problem.b / problem.p)
    y, t = x @ beta + noise[..., 0], x @ gamma + noise[..., 1]
    target = ((1 - u) * y + u * t)[..., None]
    transposed = x.transpose(0, 2, 1)
    weights = np.linalg.solve(transposed @ x, transposed @ target)[..., 0]
    risks: Array = ((weights - beta) ** 2).sum(axis=1)
    return risks


def fit_problem(x: ArrayLike, y: ArrayLike, t: ArrayLike, n_train: int) -> LinearProblem:
    """Read off from held-out rows the linear problem that a student with ``n_train`` rows would have.

    Label and teacher are regressed on the inputs and a constant, which counts as an input. Noise moments are
    corrected for the degrees of freedom and summed over outputs. The difference of both fits is in part
    their noise, which is subtracted; what is left is cut at zero, so b is biased upwards where it is small.
    A surrogate: classes are not Gaussian, and students are not linear.

    Parameters
    ----------
    x : array, shape (n, p)
        The student's inputs or features; at most a half of the rows, so reduce them by PCA first.
    y : array, shape (n, K)
        Labels, one-hot.
    t : array, shape (n, K)
        The teacher's outputs for the same rows, on the scale of the labels.
    n_train : int
        Rows that the student trains on.

    Raises
    ------
    DataError
        If shapes disagree, a value is not finite, the rows are fewer than twice the inputs with the
        constant, inputs are collinear, or ``n_train`` is too small.
    """
    inputs, label, teacher = (np.asarray(each, np.float64) for each in (x, y, t))
    _refuse_shapes(inputs, label, teacher)
    n, p = len(inputs), inputs.shape[1] + 1
    if n < 2 * p:
        raise DataError(
            f"risk: {n} held-out rows for {p - 1} inputs, and {2 * p} are needed; reduce the inputs"
        )
    design = np.hstack([np.ones((n, 1)), inputs])
    basis, sizes, _ = np.linalg.svd(design, full_matrices=False)
    if sizes[-1] <= 1e-10 * sizes[0]:
        raise DataError("risk: the inputs are collinear; reduce them by PCA")
    said_of_label, said_of_teacher = basis @ (basis.T @ label), basis @ (basis.T @ teacher)
    left_of_label, left_of_teacher = label - said_of_label, teacher - said_of_teacher
    sigma2, sigma_t2, c = (
        float((first * second).sum()) / (n - p)
        for first, second in (
            (left_of_label, left_of_label),
            (left_of_teacher, left_of_teacher),
            (left_of_label, left_of_teacher),
        )
    )
    noise_of_difference = p * (sigma2 + sigma_t2 - 2 * c)
    b = (float(((said_of_teacher - said_of_label) ** 2).sum()) - noise_of_difference) / n
    return LinearProblem(n=n_train, p=p, sigma2=sigma2, sigma_t2=sigma_t2, c=c, b=max(b, 0.0))


def _refuse_shapes(x: Array, y: Array, t: Array) -> None:
    if x.ndim != 2 or y.ndim != 2 or y.shape != t.shape or len(x) != len(y) or not x.shape[1]:
        raise DataError(
            f"risk: inputs {x.shape}, labels {y.shape} and teacher's outputs {t.shape}; give (n, p), (n, K) "
            "and (n, K)"
        )
    if not all(np.isfinite(each).all() for each in (x, y, t)):
        raise DataError("risk: values are not finite; look at the features and the teacher's outputs")
