"""What the complementarity hypothesis expects of a teacher, from finished runs and validation rows alone.

The hypothesis: distilling from a teacher T to a student S helps when I(T;S) > I(S;Y), T and S being features
of models that were trained apart. What chooses a teacher must not see test rows, so nothing here does.

References
----------
Xie, Xu and Sanguinetti, "Information-Theoretic Criteria for Knowledge Distillation in Multimodal Learning",
arXiv:2510.13182.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from ucmkd.diagnostics.students import student_outputs
from ucmkd.errors import DataError, RecordError
from ucmkd.evaluation.cch import (
    ABOUT_STUDENT,
    ABOUT_TEACHER,
    BETWEEN,
    COMPARED,
    NOT_IDENTIFIABLE,
    TOO_FEW_ROWS,
    TRUE_PAIRS,
    WITHIN_CLASS,
)
from ucmkd.files import read_json, write_json
from ucmkd.information import estimates
from ucmkd.information.decision import margin, verdict
from ucmkd.information.estimates import Estimate
from ucmkd.information.risk import best_weight, fit_problem, gain
from ucmkd.seeding import generator_for
from ucmkd.training.block import make_reproducible
from ucmkd.training.student import Data
from ucmkd.training.teacher import read_teacher

COMPONENTS = 16
"""Principal components of the student's features in the Gaussian rule, at most."""

FOLDS = 5
PENALTIES = np.logspace(-2, 4, 13)
"""Of the ridge regression that estimates gamma: its folds, and the penalties it chooses from within each."""

Features = NDArray[np.float64]
Rows = NDArray[np.int64]
Estimates = dict[tuple[str, str, str], Estimate | None]
"""By pairing, quantity and estimator; None where the quantity is not identifiable, or rows are too few."""


@dataclass(frozen=True)
class Views:
    """What teacher and student make of validation rows.

    Attributes
    ----------
    student, teacher : arrays, shapes (n, d) and (m, e)
        Features; row i of both shows one instance where ``paired``, and then n = m.
    student_labels, teacher_labels : arrays of int
    logits : array, shape (m, classes)
        The teacher's.
    paired : bool
    """

    student: Features
    student_labels: Rows
    teacher: Features
    teacher_labels: Rows
    logits: Features
    paired: bool

    @property
    def enough(self) -> bool:
        """Whether there are rows enough to estimate information from."""
        return all(map(estimates.are_enough, (self.student_labels, self.teacher_labels)))


def cch(
    *,
    pair: str,
    seeds: Sequence[int],
    student_folder: str,
    teacher_folder: str,
    pair_folder: str,
    student_data: str,
    teacher_data: str,
    paired: bool,
    code: str,
    output: str,
) -> None:
    """Estimate I(T;S), I(S;Y) and I(T;Y) on validation rows, and what else teachers are selected by.

    The file holds ``rows`` (estimates in nats with 95 % intervals), ``verdicts`` (one a pair of estimators
    and a pairing) and ``facts`` (see :func:`facts_of`). On rows that are paired anew within their class, T
    and S are independent given Y, so that I(T;S) <= I(S;Y) holds in truth: an estimator that says otherwise
    there is not to be believed on true pairs either.

    Parameters
    ----------
    pair : str
    seeds : sequence of int
    student_folder, teacher_folder : str
        Blocks of students trained alone, and of teachers.
    pair_folder, student_data, teacher_data : str
    paired : bool
        Whether samples of the two datasets show the same instances. Where they do not, I(T;S) is not
        identifiable, and left empty.
    code : str
        Digest of the code; it only makes the job run again when that changes.
    output : str
        The JSON file.

    Raises
    ------
    DataError
        If a file is missing or damaged.
    RecordError
        If a student is missing.
    """
    make_reproducible("cpu")
    data = Data.read(student_data, teacher_data, pair_folder)
    student_rows, teacher_rows = (
        tied_rows(data) if paired else (data.split.student.val, data.split.teacher.val)
    )
    records = {record["seed"]: record for record in read_json(f"{student_folder}/records.json")}
    written: dict[str, list[dict[str, Any]]] = {"rows": [], "verdicts": [], "facts": []}
    for seed in seeds:
        if seed not in records:
            raise RecordError(f"{student_folder}/records.json: no student with seed {seed}; run the "
                              "benchmark again to train it")  # fmt: skip
        features, _ = student_outputs(student_folder, records[seed], data, student_rows)
        cached = read_teacher(teacher_folder, seed)
        views = Views(
            features.astype(np.float64),
            data.learning.labels[student_rows],
            cached.features[teacher_rows].astype(np.float64),
            data.teaching.labels[teacher_rows],
            cached.logits[teacher_rows].astype(np.float64),
            paired,
        )
        estimated = estimate(views, pair, seed)
        facts = facts_of(views, len(data.split.student.train), seed)
        facts["teacher_accuracy"] = cached.record["scores"]["val"]["accuracy"]
        written["rows"] += [{"seed": seed, **row} for row in _rows(estimated)]
        written["verdicts"] += [{"seed": seed, **row} for row in verdicts_of(estimated)]
        written["facts"] += [{"seed": seed, "name": name, "value": value} for name, value in facts.items()]
    write_json(Path(output), {"pair": pair, **written})


def tied_rows(data: Data) -> tuple[Rows, Rows]:
    """Give validation rows of the student's and of the teacher's dataset that show the same instances.

    Raises
    ------
    DataError
        If there are none.
    """
    names = data.teaching.pair_ids
    taught = {str(names[row]): int(row) for row in data.split.teacher.val if names[row]}
    tied = [(int(row), taught[name]) for row in data.split.student.val
            if (name := str(data.learning.pair_ids[row])) in taught]  # fmt: skip
    if not tied:
        raise DataError(f"{data.split.name}: no instance stands in the validation split of both datasets; "
                        "leave the pair out of what is diagnosed")  # fmt: skip
    rows = np.array(tied, dtype=np.int64)
    return rows[:, 0], rows[:, 1]


def paired_anew(labels: Rows, pair: str, seed: int) -> Rows:
    """Permute rows within their classes; no row stays where it is unless it is alone in its class."""
    draw = generator_for(seed, "pairing within classes", pair)
    order = np.arange(len(labels))
    for label in np.unique(labels):
        members = draw.permutation(np.flatnonzero(labels == label))
        order[members] = np.roll(members, 1)
    return order


def estimate(views: Views, pair: str, seed: int) -> Estimates:
    """Estimate all quantities by all estimators; I(T;S) for true pairs and for rows paired within classes."""
    found: Estimates = {}
    identifiable = views.paired and views.enough
    for pairing in (TRUE_PAIRS, WITHIN_CLASS):
        order = np.arange(len(views.teacher))
        if pairing == WITHIN_CLASS and identifiable:
            order = paired_anew(views.student_labels, pair, seed)
        for name in estimates.BETWEEN:
            found[pairing, BETWEEN, name] = (
                estimates.information_between(views.teacher[order], views.student, name, seed=seed)
                if identifiable
                else None
            )
    for quantity, features, labels in (
        (ABOUT_STUDENT, views.student, views.student_labels),
        (ABOUT_TEACHER, views.teacher, views.teacher_labels),
    ):
        for name in estimates.ABOUT_LABELS:
            found[TRUE_PAIRS, quantity, name] = (
                estimates.information_about_labels(features, labels, name, seed=seed)
                if views.enough
                else None
            )
    return found


def verdicts_of(found: Estimates) -> list[dict[str, Any]]:
    """Compare I(T;S) with I(S;Y), one verdict a pairing and a pair of estimators."""
    rows = []
    for pairing in (TRUE_PAIRS, WITHIN_CLASS):
        for between, about in COMPARED:
            shared, known = found[pairing, BETWEEN, between], found[TRUE_PAIRS, ABOUT_STUDENT, about]
            nothing = TOO_FEW_ROWS if known is None else NOT_IDENTIFIABLE
            said: dict[str, Any] = {"margin": None, "verdict": nothing}
            if shared is not None and known is not None:
                said = {"margin": margin(shared, known), "verdict": verdict(shared, known)}
            rows.append({"pairing": pairing, "between": between, "about": about, **said})
    return rows


def facts_of(views: Views, n_train: int, seed: int) -> dict[str, float | None]:
    """Give what other criteria say of the teacher; None where that needs pairs, or rows, that there are not.

    ``gaussian_u_star`` and ``gaussian_gain`` are the best weight of the teacher in least squares, and what it
    takes off the risk, were everything linear and Gaussian: from principal components of the student's
    features to one-hot labels, the teacher's softmax outputs beside them. For ``mfh_gamma`` see
    :func:`shared_share`.
    """
    if not (views.paired and views.enough):
        return dict.fromkeys(("gaussian_u_star", "gaussian_gain", "mfh_gamma"))
    one_hot = np.eye(views.logits.shape[1])[views.student_labels]
    most = min(COMPONENTS, len(one_hot) // 2 - 1, n_train - 3)
    inputs = principal_components(views.student, most)
    problem = fit_problem(inputs, one_hot, softmax(views.logits, axis=1), n_train)
    return {
        "gaussian_u_star": best_weight(problem),
        "gaussian_gain": gain(problem),
        "mfh_gamma": shared_share(views.student, views.logits, seed),
    }


def principal_components(features: Features, most: int) -> Features:
    """Project features (n, d) on their first principal components, leaving out those that do not vary."""
    centred = features - features.mean(axis=0)
    left, size, _ = np.linalg.svd(centred, full_matrices=False)
    kept = int(np.count_nonzero(size[:most] > 1e-6 * size[0]))
    components: Features = left[:, :kept] * size[:kept]
    return components


def shared_share(features: Features, logits: Features, seed: int) -> float:
    """Estimate how much of the teacher's decision the student's view shares, for the focusing hypothesis.

    The hypothesis (Xue et al., arXiv:2206.06487) lets the gain depend on gamma, the share of what decides
    that both modalities hold, and says how to compute it for its generator alone. This is our estimate for
    real data: the share of the variance of the teacher's centred logits that a ridge regression on the
    student's features explains in rows it was not fitted to. A linear regression from learned features finds
    no more than what is shared, so the value is a lower bound; it is below 0 where nothing carries over.

    Parameters
    ----------
    features : array, shape (n, d)
        The student's.
    logits : array, shape (n, classes)
        The teacher's, of the same instances.
    seed : int
        Of the folds.

    Raises
    ------
    DataError
        If the teacher says the same of every row.
    """
    from sklearn.dummy import DummyRegressor
    from sklearn.linear_model import RidgeCV
    from sklearn.model_selection import KFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    decision = logits - logits.mean(axis=1, keepdims=True)
    if np.ptp(decision, axis=0).max() == 0:
        raise DataError("the teacher says the same of every validation row; train it longer")
    folds = KFold(FOLDS, shuffle=True, random_state=seed)
    ridge = make_pipeline(StandardScaler(), RidgeCV(PENALTIES))
    left, all_of_it = (
        ((decision - cross_val_predict(model, features, decision, cv=folds)) ** 2).sum()
        for model in (ridge, DummyRegressor())
    )
    return float(1 - left / all_of_it)


def _rows(found: Estimates) -> Iterator[dict[str, Any]]:
    for (pairing, quantity, estimator), said in found.items():
        numbers = {
            name: None if said is None else getattr(said, name) for name in ("value", "low", "high", "cap")
        }
        yield {"pairing": pairing, "quantity": quantity, "estimator": estimator, **numbers}
