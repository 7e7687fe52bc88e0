"""The linear-Gaussian model of the cross-modal complementarity hypothesis, as a classification."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ucmkd.data import base, gaussian
from ucmkd.data.base import Samples, Workspace
from ucmkd.seeding import generator_for

ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Which view, of which model.

    Attributes
    ----------
    view : "teacher" or "student"
    p : int
        Columns of the student's view.
    sigma, sigma_t : float
        Standard deviations of the label's noise and of the teacher's.
    c : float
        Covariance of the two, at most ``sigma * sigma_t`` in size.
    b : float
        Squared distance of the teacher's weights from the true ones, which have length 1.
    n_train, n_val, n_test : int
        Samples.
    data_seed : int
        Of the weights and of the samples.
    """

    view: Literal["teacher", "student"] = "student"
    p: int = 20
    sigma: float = 1.0
    sigma_t: float = 0.5
    c: float = 0.0
    b: float = 0.02
    n_train: int = 200
    n_val: int = 200
    n_test: int = 1000
    data_seed: int = 0

    def __post_init__(self) -> None:
        for name in ("sigma", "sigma_t", "b"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be a number of at least 0")
        if self.p < 1 or (self.p == 1 and self.b > 0):
            raise ValueError(f"p is {self.p}; it must be at least 1, and at least 2 where b is not 0")
        largest = self.sigma * self.sigma_t
        if abs(self.c) > largest * (1 + ROUNDING):
            raise ValueError(f"c is {self.c}; noises of such sigma and sigma_t have a covariance of "
                             f"{-largest:g} to {largest:g}")  # fmt: skip
        gaussian.check_sizes(n_train=self.n_train, n_val=self.n_val, n_test=self.n_test)


class Dataset(base.Dataset[Settings]):
    r"""The student sees :math:`x`, the teacher one number, :math:`t`; the label is 1 where :math:`y > 0`.

    :math:`x \in \mathbb R^p` standard normal, :math:`y = x^\top\beta + \varepsilon`,
    :math:`t = x^\top\gamma + \eta`, with :math:`\lVert\beta\rVert = 1`,
    :math:`\lVert\gamma-\beta\rVert^2 = b` and :math:`\gamma-\beta` orthogonal to :math:`\beta`, so that every
    known answer follows from the settings alone. Noises are Gaussian and independent of x.
    """

    modality = "tabular"
    title = "Linear-Gaussian teacher and student (cross-modal complementarity hypothesis)"
    licence = gaussian.LICENCE
    citation = (
        "Xie, Xu and Sanguinetti, Information-Theoretic Criteria for Knowledge Distillation in Multimodal "
        "Learning, 2025; arXiv:2510.13182"
    )
    source = "drawn by a seeded generator; the regression of the source, its target cut at 0"
    Settings = Settings

    def __init__(self, settings: Any, workspace: Workspace | None = None) -> None:
        super().__init__(settings, workspace)
        shared = {name: value for name, value in asdict(settings).items() if name != "view"}
        self.instances = gaussian.experiment_name("cch_gaussian", shared)
        known = {view: 100 * bayes_accuracy(settings, view) for view in ("teacher", "student")}
        self.quirks = (
            f"No classifier can expect more than {known[settings.view]:.2f} % from this view "
            f"(teacher {known['teacher']:.2f} %, student {known['student']:.2f} %).",
            f"Before y is cut at 0, in nats: I(x;y) = {information_xy(settings):.4f}, "
            f"I(t;x) = {information_tx(settings):.4f}, I(t;y) = {information_ty(settings):.4f}.",
            f"The complementarity condition I(t;x) > I(x;y) {_holds(cch_holds(settings))}; c < sigma^2, by "
            f"which a small weight helps least squares, {_holds(small_weight_helps(settings))}.",
        )

    def load(self) -> Samples:
        """Draw the samples; the first rows of a split do not depend on its size."""
        s = self.settings
        beta, gamma = weights(s)
        parts = {}
        for part, size in {"train": s.n_train, "val": s.n_val, "test": s.n_test}.items():
            x = generator_for(s.data_seed, "cch_gaussian", part, "x").standard_normal((size, s.p))
            epsilon, eta = _noises(s, generator_for(s.data_seed, "cch_gaussian", part, "noise"), size)
            t = (x * gamma).sum(axis=1) + eta
            parts[part] = t[:, None] if s.view == "teacher" else x, (x * beta).sum(axis=1) + epsilon > 0
        return gaussian.samples(parts)


def weights(settings: Settings) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw the true weights and the teacher's, each of shape (p,)."""
    draw = generator_for(settings.data_seed, "cch_gaussian", "weights")
    beta = draw.standard_normal(settings.p)
    beta /= np.linalg.norm(beta)
    if settings.b == 0:
        return beta, beta
    aside = draw.standard_normal(settings.p)
    aside -= (aside @ beta) * beta
    return beta, beta + math.sqrt(settings.b) * aside / np.linalg.norm(aside)


def bayes_accuracy(settings: Settings, view: str) -> float:
    r"""Give the best expected accuracy from a view, as a fraction.

    The best prediction of y from x is :math:`x^\top\beta`, whose correlation with y is
    :math:`1 / \sqrt{1 + \sigma^2}`; from t it is proportional to t
    (see :func:`ucmkd.data.gaussian.sign_agreement`).
    """
    correlation = _correlation_ty(settings) if view == "teacher" else 1 / math.sqrt(_variance_y(settings))
    return gaussian.sign_agreement(abs(correlation))


def information_xy(settings: Settings) -> float:
    r"""Give :math:`I(x;y) = \tfrac12\ln(1 + 1/\sigma^2)` in nats."""
    return gaussian.information(settings.sigma**2 / _variance_y(settings))


def information_tx(settings: Settings) -> float:
    r"""Give :math:`I(t;x) = \tfrac12\ln(1 + (1 + b)/\sigma_t^2)` in nats.

    The numerator is the variance of :math:`x^\top\gamma`.
    """
    return gaussian.information(settings.sigma_t**2 / _variance_t(settings))


def information_ty(settings: Settings) -> float:
    r"""Give :math:`I(t;y) = -\tfrac12\ln(1 - r^2)` in nats, r the correlation of t and y."""
    return gaussian.information(1 - _correlation_ty(settings) ** 2)


def cch_holds(settings: Settings) -> bool:
    """Tell whether I(t;x) > I(x;y): t says more of the student's view than that view says of y."""
    return information_tx(settings) > information_xy(settings)


def small_weight_helps(settings: Settings) -> bool:
    r"""Tell whether least squares on y and, with a small weight, on t has less risk than on y alone.

    With u the weight's share, the excess risk of n samples is
    :math:`u^2 b + \rho\,[(1-u)^2\sigma^2 + 2u(1-u)c + u^2\sigma_t^2]`, :math:`\rho = p/(n-p-1)`; its slope at
    u = 0 is :math:`2\rho(c - \sigma^2)`. This is of the regression, not of the classification.
    """
    return settings.c < settings.sigma**2


def _noises(
    s: Settings, draw: np.random.Generator, size: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    own, other = draw.standard_normal((size, 2)).T
    common = s.c / s.sigma if s.sigma else 0.0
    return s.sigma * own, common * own + math.sqrt(max(0.0, s.sigma_t**2 - common**2)) * other


def _variance_y(s: Settings) -> float:
    return 1 + s.sigma**2


def _variance_t(s: Settings) -> float:
    return 1 + s.b + s.sigma_t**2


def _correlation_ty(s: Settings) -> float:
    r"""Use that :math:`\beta^\top\gamma = 1`, since the teacher's weights differ at a right angle."""
    return (1 + s.c) / math.sqrt(_variance_t(s) * _variance_y(s))


def _holds(condition: bool) -> str:
    return "holds" if condition else "does not hold"
