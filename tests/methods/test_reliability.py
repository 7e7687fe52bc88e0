"""Teacher rows weighed by how far they are to be trusted, against sums written out row by row."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax
from torch import Tensor

from tests import toy as make
from tests.toy import ToyPair
from ucmkd.errors import ConfigError
from ucmkd.methods.base import Method, Outputs, TeacherBank, TeacherRows, load_method
from ucmkd.methods.shared.soft_targets import (
    batch_reliability,
    class_targets,
    row_reliability,
    taught_classes,
)

ROWS, CLASSES, T = 12, len(make.CLASSES), 3.0
LABELS = torch.arange(ROWS) % CLASSES
SOME = torch.arange(ROWS) % 3 > 0
KINDS = ["confidence", "agreement"]


def noise(seed: int, scale: float = 2.0) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return scale * torch.randn(ROWS, CLASSES, generator=draw, dtype=torch.float64)


STUDENT, TEACHER = noise(0), noise(1)


def trust(kind: str, logits: Tensor, labels: Tensor) -> np.ndarray:
    if kind == "confidence":
        return softmax(logits.numpy(), axis=1).max(1)
    return np.array([float(int(row.argmax()) == label) for row, label in zip(logits, labels, strict=True)])


def divergences(targets: np.ndarray) -> np.ndarray:
    p, log_p = softmax(targets / T, axis=1), log_softmax(targets / T, axis=1)
    return (p * (log_p - log_softmax(STUDENT.numpy() / T, axis=1))).sum(1)


def bank(logits: Tensor = TEACHER, labels: Tensor = LABELS) -> TeacherBank:
    return TeacherBank(torch.zeros(len(logits), make.WIDTH), logits, labels, lambda features: features)


def method(name: str, given: TeacherBank | None = None, **settings: Any) -> Method[Any]:
    found = load_method(name, {"temperature": T, "weight": 1.0} | settings)
    found.prepare(make.context(given or bank()))
    return found


def distillation(
    found: Method[Any], matched: Tensor | None, teacher: Tensor = TEACHER, labels: Tensor = LABELS
) -> float:
    rows = TeacherRows(torch.zeros(ROWS, make.WIDTH), teacher, LABELS, matched)
    said = Outputs(torch.zeros(ROWS, make.WIDTH), STUDENT)
    return float(found.losses(said, make.batch(torch.zeros(ROWS, 5), labels, rows))["loss/distillation"])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("matched", [torch.ones(ROWS, dtype=torch.bool), SOME])
def test_kd_is_the_weighted_mean_over_the_matched_rows(kind: str, matched: Tensor) -> None:
    weights = trust(kind, TEACHER, LABELS) * matched.numpy()
    assert 0 < weights.astype(bool).sum() <= matched.sum()
    expected = T**2 * (weights * divergences(TEACHER.numpy())).sum() / weights.sum()
    assert distillation(method("kd", reliability=kind), matched) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_have_mean_1_over_the_matched_rows(kind: str) -> None:
    found = batch_reliability(kind, TEACHER, LABELS, SOME)
    assert found is not None
    assert float(found[SOME].mean()) == pytest.approx(1.0)


@pytest.mark.parametrize("name", ["kd", "class_mean_soft"])
def test_without_it_nothing_changes_to_the_last_bit(name: str, toy: ToyPair) -> None:
    regime = "class_cond"
    plain, named = (
        toy.runner(name, regime, settings=settings, seed=2).fit()
        for settings in ({}, {"reliability": "none"})
    )
    assert all(torch.equal(named.state[key], value) for key, value in plain.state.items())
    assert row_reliability("none", TEACHER, LABELS) is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["kd", "class_mean_soft"])
def test_it_changes_the_student(kind: str, name: str, toy: ToyPair) -> None:
    plain, weighed = (
        toy.runner(name, "class_cond", settings=settings, seed=2).fit()
        for settings in ({}, {"reliability": kind})
    )
    assert any(not torch.equal(weighed.state[key], value) for key, value in plain.state.items())


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_are_equally_reliable_weigh_as_without_it(kind: str) -> None:
    alike = 5.0 * torch.nn.functional.one_hot(LABELS, CLASSES).double()
    weighed, plain = (
        distillation(method("kd", bank(alike), reliability=how), SOME, alike) for how in (kind, "none")
    )
    assert weighed == pytest.approx(plain, rel=1e-9)


def test_a_batch_in_which_the_teacher_is_always_wrong_teaches_nothing() -> None:
    wrong = 5.0 * torch.nn.functional.one_hot((LABELS + 1) % CLASSES, CLASSES).double()
    found = method("kd", bank(wrong), reliability="agreement")
    assert distillation(found, torch.ones(ROWS, dtype=torch.bool), wrong) == 0.0


def test_rows_on_which_the_teacher_is_wrong_can_be_anything() -> None:
    wrong = torch.from_numpy(trust("agreement", TEACHER, LABELS) == 0)
    assert 0 < wrong.sum() < ROWS
    other = torch.where(wrong.unsqueeze(1), 3 * TEACHER, TEACHER)
    found = method("kd", reliability="agreement")
    every = torch.ones(ROWS, dtype=torch.bool)
    assert distillation(found, every, other) == pytest.approx(distillation(found, every), rel=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("divergence", ["forward", "mse_logit"])
def test_class_targets_are_weighted_means_within_the_class(kind: str, divergence: str) -> None:
    settings = method("class_mean_soft", reliability=kind, divergence=divergence).settings
    found = class_targets(bank(), CLASSES, settings).numpy()
    known = taught_classes(bank(), CLASSES, settings)
    weights = trust(kind, TEACHER, LABELS)
    for label in range(CLASSES):
        rows = (label == LABELS).numpy()
        taught = weights[rows].sum() > 0
        assert taught == (known is None or bool(known[label]))
        if taught and divergence == "forward":
            expected = np.average(softmax(TEACHER.numpy()[rows] / T, axis=1), axis=0, weights=weights[rows])
            np.testing.assert_allclose(softmax(found[label] / T), expected, rtol=1e-9)
        elif taught:
            expected = np.average(TEACHER.numpy()[rows], axis=0, weights=weights[rows])
            np.testing.assert_allclose(found[label], expected, rtol=1e-9)


@pytest.mark.parametrize("name", ["kd", "class_mean_soft"])
def test_a_class_that_the_teacher_never_gets_right_has_no_class_target(name: str) -> None:
    """Where no row corresponds, KD uses class means too."""
    right = 2.0 * torch.nn.functional.one_hot(LABELS, CLASSES).double()
    logits = torch.where((LABELS == 1).unsqueeze(1), right.roll(1, 1), right)
    given = bank(logits)
    found = method(name, given, reliability="agreement")
    known = taught_classes(given, CLASSES, found.settings)
    assert known is not None
    assert known.tolist() == [True, False, True, True]
    rows = divergences(right.numpy())[(LABELS != 1).numpy()]
    assert distillation(found, None, logits) == pytest.approx(T**2 * rows.mean(), rel=1e-6)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"kd\.reliability: 'always' is not one of none, confidence"):
        load_method("kd", {"reliability": "always"})


def test_the_teacher_may_lack_a_class() -> None:
    kept = LABELS != 2
    given = replace(
        bank(), logits=TEACHER[kept], labels=LABELS[kept], features=torch.zeros(int(kept.sum()), 8)
    )
    settings = method("class_mean_soft", given, reliability="confidence").settings
    known = taught_classes(given, CLASSES, settings)
    assert known is not None
    assert known.tolist() == [True, True, False, True]
