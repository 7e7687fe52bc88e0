"""Losses of the joint methods against their formulas."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax
from torch import Tensor

from tests import toy as make
from tests.toy import STUDENT, TEACHER, ToyPair
from ucmkd.errors import ConfigError
from ucmkd.methods.base import Batch, Outputs, TeacherRows, load_method
from ucmkd.training.recipe import Recipes
from ucmkd.transport.divergence import transport_loss

ROWS = 24


@pytest.fixture
def said() -> Outputs:
    """What a student says, features and logits unrelated."""
    draw = torch.Generator().manual_seed(0)
    return Outputs(torch.randn(ROWS, make.WIDTH, generator=draw), torch.randn(ROWS, 4, generator=draw))


def losses(toy: ToyPair, name: str, said: Outputs, batch: Batch, **settings: Any) -> dict[str, float]:
    method = load_method(name, settings)
    method.prepare(make.context(toy.bank("class_cond")))
    return {key: float(value) for key, value in method.losses(said, batch).items()}


def cross_entropies(logits: Tensor, labels: Tensor) -> np.ndarray:
    return -log_softmax(logits.double().numpy(), axis=1)[range(len(labels)), labels]


def divergences(target: np.ndarray, logits: Tensor, temperature: float) -> np.ndarray:
    """KL of the targets and the softened student, by row."""
    return (target * (np.log(target) - log_softmax(logits.double().numpy() / temperature, axis=1))).sum(1)


def softened(toy: ToyPair, label: int, temperature: float) -> np.ndarray:
    """The teacher's mean softened prediction on a class."""
    bank = toy.bank("class_cond")
    logits = bank.logits[bank.labels == label].double().numpy()
    return np.asarray(softmax(logits / temperature, axis=1).mean(0))


def matching(batch: Batch, matched: list[bool]) -> Batch:
    assert batch.teacher is not None
    return replace(batch, teacher=replace(batch.teacher, matched=torch.tensor(matched)))


class TestKD:
    @pytest.mark.parametrize(("temperature", "weight"), [(4.0, 0.9), (1.5, 0.3)])
    @pytest.mark.parametrize("matched", [[True] * ROWS, [True, False, False] * (ROWS // 3)])
    def test_it_copies_the_rows_that_correspond(
        self, temperature: float, weight: float, matched: list[bool], toy: ToyPair, said: Outputs
    ) -> None:
        batch = matching(toy.batch(ROWS, met=ROWS), matched)
        assert batch.teacher is not None
        target = softmax(batch.teacher.logits.double().numpy() / temperature, axis=1)
        rows = divergences(target, said.logits, temperature)[np.array(matched)]
        found = losses(toy, "kd", said, batch, temperature=temperature, weight=weight)
        assert found["loss/task"] == pytest.approx(
            (1 - weight) * cross_entropies(said.logits, batch.labels).mean(), rel=1e-5
        )
        assert found["loss/distillation"] == pytest.approx(weight * temperature**2 * rows.mean(), rel=1e-4)

    def test_without_correspondence_it_is_class_mean_distillation(self, toy: ToyPair, said: Outputs) -> None:
        batch = toy.batch(ROWS, met=7)
        assert losses(toy, "kd", said, batch) == losses(toy, "class_mean_soft", said, batch)

    def test_without_labels_either_only_labelled_rows_are_taught(self, toy: ToyPair, said: Outputs) -> None:
        batch = toy.batch(ROWS, met=7)
        few = batch.labels.clone()
        few[ROWS // 2 :] = -1
        half = Outputs(said.features[: ROWS // 2], said.logits[: ROWS // 2])
        found = losses(toy, "kd", said, replace(batch, labels=few))
        expected = losses(toy, "class_mean_soft", half, toy.batch(ROWS // 2, met=7))
        assert found["loss/distillation"] == pytest.approx(expected["loss/distillation"], rel=1e-5)


def test_class_mean_soft_teaches_each_class_its_mean_prediction(toy: ToyPair, said: Outputs) -> None:
    batch = toy.batch(ROWS)
    target = np.stack([softened(toy, int(label), 2.0) for label in batch.labels])
    found = losses(toy, "class_mean_soft", said, batch, temperature=2.0, weight=0.25)
    expected = 0.25 * 4 * divergences(target, said.logits, 2.0).mean()
    assert found["loss/distillation"] == pytest.approx(expected, rel=1e-4)


def test_prototypes_pull_features_to_the_class_mean(toy: ToyPair, said: Outputs) -> None:
    batch, bank = toy.batch(ROWS), toy.bank("class_cond")
    means = np.stack([bank.features[bank.labels == label].numpy().mean(0) for label in batch.labels])
    found = losses(toy, "proto_mse", said, batch, weight=0.5)
    assert found["loss/prototype"] == pytest.approx(
        0.5 * ((said.features.numpy() - means) ** 2).mean(), rel=1e-4
    )


def transport(said: Outputs, teacher: TeacherRows, metric: str) -> float:
    return float(transport_loss(said.features, teacher.features, metric=metric).value)


@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_feature_transport_is_weighted(metric: str, toy: ToyPair, said: Outputs) -> None:
    batch = toy.batch(ROWS, met=30)
    assert batch.teacher is not None
    found = losses(toy, "feature_ot", said, batch, cost=metric, weight=0.5)
    assert found["loss/task"] == pytest.approx(cross_entropies(said.logits, batch.labels).mean(), rel=1e-5)
    assert found["loss/alignment"] == pytest.approx(0.5 * transport(said, batch.teacher, metric), rel=1e-5)


def test_a_label_cost_keeps_transport_within_classes(toy: ToyPair, said: Outputs) -> None:
    """With forbidden pairs the cost is that of the classes apart, each with its own share."""
    teacher = toy.teacher_rows(ROWS)
    batch = replace(toy.batch(ROWS), labels=teacher.labels, teacher=teacher)
    found = losses(toy, "feature_ot", said, batch, label_cost="inf", reg_mode="absolute", reg=0.1)
    parts = [
        transport_loss(said.features[batch.labels == k], teacher.features[teacher.labels == k],
                       reg=0.1, reg_mode="absolute").value
        for k in range(4)
    ]  # fmt: skip
    assert found["loss/alignment"] == pytest.approx(float(torch.stack(parts).mean()), rel=2e-3)


def test_the_joint_form_adds_both_alignments_with_their_weights(toy: ToyPair, said: Outputs) -> None:
    batch = toy.batch(ROWS, met=ROWS)
    assert batch.teacher is not None
    found = losses(toy, "ucmkd_sumall", said, batch, lambda1=0.3, lambda2=0.7)
    task = cross_entropies(said.logits, batch.labels)
    own = np.exp(-cross_entropies(toy.bank("class_cond").head(said.features), batch.labels))
    assert found["loss/task"] == pytest.approx(task.mean(), rel=1e-5)
    assert found["loss/alignment"] == pytest.approx(0.3 * transport(said, batch.teacher, "l2"), rel=1e-5)
    assert found["loss/label_alignment"] == pytest.approx(0.7 * (task + own * np.log(own)).mean(), rel=1e-4)


BUDGET = {"epochs": 7, "batch_size": 16, "evaluations": 3}
RECIPES = Recipes(STUDENT.changed(**BUDGET), TEACHER)


class TestRecipes:
    def test_smoothing_is_all_that_label_smoothing_changes(self) -> None:
        made = load_method("label_smoothing", {"smoothing": 0.2}).recipe(RECIPES)
        assert made == RECIPES.student.changed(label_smoothing=0.2)

    def test_the_teachers_recipe_is_taken_within_the_students_budget(self) -> None:
        assert load_method("ce_teacher_recipe").recipe(RECIPES) == TEACHER.changed(**BUDGET)

    def test_the_flagship_may_change_smoothing_and_clipping(self) -> None:
        method = load_method("ucmkd_released", {"label_smoothing": 0.1, "clip_norm": 1.0})
        changed = RECIPES.student.changed(label_smoothing=0.1, clip_norm=1.0)
        assert method.recipe(RECIPES) == changed

    @pytest.mark.parametrize(
        "name", ["ce", "ce_matched", "ce_randpert", "kd", "ucmkd_paper", "ucmkd_released"]
    )
    def test_others_train_like_every_student(self, name: str) -> None:
        assert load_method(name).recipe(RECIPES) == RECIPES.student


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("label_smoothing", {"smoothing": 1.0}), ("feature_ot", {"reg": 0.0}),
        ("feature_ot", {"label_cost": -1.0}), ("ucmkd_paper", {"label_smoothing": 1.5}),
        ("ucmkd_paper", {"clip_norm": -1.0}),
        ("ucmkd_paper", {"n1": -1}), ("ucmkd_paper", {"inner_rate": 0.0}), ("ucmkd_paper", {"reg": -0.1}),
        ("ucmkd_sumall", {"la_form": "head_only"}),
    ],
)  # fmt: skip
def test_an_impossible_setting_is_refused_by_name(name: str, value: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"settings\.{name}: .*{next(iter(value))}"):
        load_method(name, value)
