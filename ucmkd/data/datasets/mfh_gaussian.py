"""The Gaussian generator of the modality focusing hypothesis: how much of what decides do two views share?"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ucmkd.data import base, gaussian
from ucmkd.data.base import Samples, Workspace
from ucmkd.seeding import generator_for

SEEN = 10
"""Decisive features that the student sees, and in the first experiment the teacher too."""

MOST_TEACHER_ONLY = 40


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Which view, of which experiment.

    Attributes
    ----------
    view : "teacher" or "student"
    overlap : int
        First experiment: decisive features that both views show, of 10 each; even, 0 to 10. The teacher's
        view has 25 columns, the student's 50; 20 features decide.
    teacher_only : int or None
        Second experiment, if given: decisive features that only the teacher's view shows, 0 to 40, beside
        the student's 10 (``overlap`` stays 10). Both views have 50 columns; 50 features decide.
    n_train, n_val, n_test : int
        Samples; the source has no validation split.
    data_seed : int
        Of the hyperplane and of the samples.
    """

    view: Literal["teacher", "student"] = "student"
    overlap: int = SEEN
    teacher_only: int | None = None
    n_train: int = 200
    n_val: int = 200
    n_test: int = 1000
    data_seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.overlap <= SEEN or self.overlap % 2:
            raise ValueError(f"overlap is {self.overlap}; it must be one of 0, 2, 4, 6, 8, 10")
        if self.teacher_only is not None:
            if not 0 <= self.teacher_only <= MOST_TEACHER_ONLY:
                raise ValueError(f"teacher_only is {self.teacher_only}; it must be 0 to {MOST_TEACHER_ONLY}")
            if self.overlap != SEEN:
                raise ValueError(
                    f"teacher_only is given and overlap is {self.overlap}; leave out one of them: with "
                    f"teacher_only the teacher sees all {SEEN} features of the student"
                )
        gaussian.check_sizes(n_train=self.n_train, n_val=self.n_val, n_test=self.n_test)


class Dataset(base.Dataset[Settings]):
    """Rows of independent standard normal numbers: decisive features first, then columns of noise.

    The label is the sign of a random linear function of all decisive features, of which a view shows some.
    As in the released generator their number does not change with the overlap: what decides and stands in
    neither view is label noise to both.
    """

    modality = "tabular"
    title = "Gaussian views with shared decisive features (modality focusing hypothesis)"
    licence = gaussian.LICENCE
    citation = (
        "Xue, Gao, Ren and Zhao, The Modality Focusing Hypothesis: Towards Understanding Crossmodal "
        "Knowledge Distillation, ICLR 2023; arXiv:2206.06487"
    )
    source = "drawn by a seeded generator, after the description of the source"
    Settings = Settings

    def __init__(self, settings: Any, workspace: Workspace | None = None) -> None:
        super().__init__(settings, workspace)
        shared = {name: value for name, value in asdict(settings).items() if name != "view"}
        self.instances = gaussian.experiment_name("mfh_gaussian", shared)
        known = {view: 100 * bayes_accuracy(settings, view) for view in ("teacher", "student")}
        self.quirks = (
            f"No classifier can expect more than {known[settings.view]:.2f} % from this view "
            f"(teacher {known['teacher']:.2f} %, student {known['student']:.2f} %).",
            f"Of the decisive features in either view, a share of {gamma(settings):.3f} is in both.",
            f"The label depends on {decisive(settings)} features; those in neither view are label noise.",
        )

    def load(self) -> Samples:
        """Draw the samples; the first rows of a split do not depend on its size."""
        s = self.settings
        sizes = {"train": s.n_train, "val": s.n_val, "test": s.n_test}
        weights, seen = hyperplane(s), columns(s, s.view)
        parts = {}
        for part, size in sizes.items():
            features = generator_for(s.data_seed, "mfh_gaussian", part).standard_normal((size, len(weights)))
            noise = generator_for(s.data_seed, "mfh_gaussian", part, s.view).standard_normal(
                (size, width(s, s.view) - len(seen))
            )
            parts[part] = np.hstack([features[:, seen], noise]), (features * weights).sum(axis=1) > 0
        return gaussian.samples(parts)


def decisive(settings: Settings) -> int:
    """Count the features that the label depends on."""
    return 2 * SEEN if settings.teacher_only is None else SEEN + MOST_TEACHER_ONLY


def width(settings: Settings, view: str) -> int:
    """Count the columns of a view, decisive or not."""
    return 25 if view == "teacher" and settings.teacher_only is None else 50


def columns(settings: Settings, view: str) -> range:
    """Number the decisive features that a view shows."""
    if view == "student":
        return range(SEEN)
    if settings.teacher_only is not None:
        return range(SEEN + settings.teacher_only)
    return range(SEEN - settings.overlap, 2 * SEEN - settings.overlap)


def hyperplane(settings: Settings) -> NDArray[np.float64]:
    """Draw the weight of every decisive feature."""
    return generator_for(settings.data_seed, "mfh_gaussian", "hyperplane").standard_normal(decisive(settings))


def gamma(settings: Settings) -> float:
    r"""Give the share of modality-general features among the decisive ones that some view shows.

    :math:`\gamma = o / (20 - o)` with overlap o in the first experiment; :math:`\gamma = 10 / (x + 10)` with
    x features for the teacher only, that is :math:`1 - \alpha` with :math:`\alpha = x / (x + 10)`, in the
    second (section 4 of the source).
    """
    teacher, student = (set(columns(settings, view)) for view in ("teacher", "student"))
    return len(teacher & student) / len(teacher | student)


def bayes_accuracy(settings: Settings, view: str) -> float:
    r"""Give the best expected accuracy from a view, as a fraction.

    Features are independent, so the best prediction of the decisive sum :math:`\delta^\top z` keeps the terms
    that are seen; its correlation with the sum is :math:`\lVert\delta_{seen}\rVert / \lVert\delta\rVert`
    (see :func:`ucmkd.data.gaussian.sign_agreement`).
    """
    weights = hyperplane(settings)
    seen = np.linalg.norm(weights[columns(settings, view)])
    return gaussian.sign_agreement(float(seen / np.linalg.norm(weights)))
