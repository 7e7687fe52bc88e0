"""Class statistics of the teacher, and what re-pairing within classes amounts to (acceptance check 5)."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests import toy as make
from tests.toy import ToyPair
from ucmkd.methods.base import Method, Outputs, TeacherBank, TeacherRows, load_method
from ucmkd.methods.shared.class_statistics import (
    class_mean_logits,
    class_means,
    known_classes,
    matched_mean,
)

DRAWS = 400


def test_class_means_are_those_of_a_loop() -> None:
    values = torch.randn(30, 3, generator=torch.manual_seed(0))
    labels = torch.arange(30) % 4
    rows = [np.mean([row for row, label in zip(values.numpy(), labels, strict=True) if label == k], axis=0)
            for k in range(4)]  # fmt: skip
    np.testing.assert_allclose(class_means(values, labels, 4), rows, rtol=1e-5)


class TestUnknownClass:
    """The teacher has no row of class 2."""

    labels = torch.tensor([0, 1, 3, 0])

    def bank(self) -> TeacherBank:
        logits = torch.randn(4, 4, generator=torch.manual_seed(0))
        return TeacherBank(logits, logits, self.labels, head=lambda features: features)

    def test_it_is_told_apart(self) -> None:
        known = known_classes(self.bank(), 4)
        assert known is not None
        assert known.tolist() == [True, True, False, True]
        assert known_classes(self.bank(), 5) is not None

    def test_nothing_is_told_where_all_classes_are_known(self, toy: ToyPair) -> None:
        assert known_classes(toy.bank("class_cond"), 4) is None

    def test_its_means_are_finite_and_its_soft_target_is_uniform(self) -> None:
        assert class_means(self.bank().logits, self.labels, 4)[2].tolist() == [0.0] * 4
        soft = class_mean_logits(self.bank(), 4, 2.0).div(2.0).softmax(1)
        torch.testing.assert_close(soft[2], torch.full((4,), 0.25))

    @pytest.mark.parametrize("name", ["class_mean_soft", "proto_mse", "kd"])
    def test_students_of_it_learn_from_labels_alone(self, name: str) -> None:
        """The distillation term is that of the batch without the samples of the unknown class."""
        method = load_method(name)
        method.prepare(make.context(self.bank()))
        labels = torch.tensor([0, 2, 1, 2, 3])
        outputs = Outputs(torch.randn(5, 4), torch.randn(5, 4))
        met = TeacherRows(*(torch.zeros(5, 4),) * 2, labels, None)
        keep = labels != 2
        terms = [
            method.losses(said, make.batch(torch.zeros(len(y), 1), y, met))
            for said, y in (
                (outputs, labels),
                (Outputs(outputs.features[keep], outputs.logits[keep]), labels[keep]),
            )
        ]
        for term in terms[0].keys() - {"loss/task"}:
            torch.testing.assert_close(terms[0][term], terms[1][term])


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_class_mean_logits_soften_to_the_mean_softened_prediction(temperature: float, toy: ToyPair) -> None:
    bank = toy.bank("class_cond")
    soft = class_mean_logits(bank, 4, temperature).div(temperature).softmax(1)
    expected = [(bank.logits[bank.labels == label] / temperature).softmax(1).mean(0) for label in range(4)]
    torch.testing.assert_close(soft, torch.stack(expected))


def test_a_certain_teacher_has_finite_class_means() -> None:
    logits = 1e4 * torch.eye(4)
    bank = TeacherBank(logits, logits, torch.arange(4), head=lambda features: features)
    assert class_mean_logits(bank, 4, 1.0).isfinite().all()


class TestMatchedMean:
    def test_all_rows_count_where_none_are_told_apart(self) -> None:
        assert matched_mean(torch.tensor([1.0, 2.0, 6.0]), None) == 3

    def test_only_rows_with_a_match_count(self) -> None:
        assert matched_mean(torch.tensor([1.0, 2.0, 6.0]), torch.tensor([True, False, True])) == 3.5

    def test_no_match_at_all_gives_0(self) -> None:
        assert matched_mean(torch.tensor([1.0, 2.0]), torch.tensor([False, False])) == 0


def repaired_gradients(toy: ToyPair, logits: Tensor, divergence: str) -> tuple[Tensor, Tensor]:
    """Gradients at fixed logits: of KD in every epoch of ``class_cond``, and of class-mean soft labels."""
    supply = toy.supply("class_cond")
    bank = supply.bank
    assert bank is not None
    values = {"divergence": divergence, "temperature": 2.0, "weight": 1.0}
    kd, soft = (load_method(name, values) for name in ("kd", "class_mean_soft"))
    for method in (kd, soft):
        method.prepare(make.context(bank))

    def gradient(method: Method[Any], teacher: TeacherRows | None) -> Tensor:
        said = logits.clone().requires_grad_()
        batch = make.batch(logits, supply.labels, teacher)
        loss = method.losses(Outputs(logits, said), batch)["loss/distillation"]
        return torch.autograd.grad(loss, said)[0]

    draws = []
    for epoch in range(DRAWS):
        rows = torch.empty(len(logits), dtype=torch.int64)
        for meeting in supply.sampler.epoch(0, epoch):
            rows[torch.from_numpy(meeting.student)] = torch.from_numpy(meeting.teacher)
        matched = torch.ones(len(rows), dtype=torch.bool)
        teacher = TeacherRows(bank.features[rows], bank.logits[rows], bank.labels[rows], matched)
        draws.append(gradient(kd, teacher))
    return torch.stack(draws), gradient(soft, None)


class TestRepairing:
    """Check 5, within 5 standard errors of the mean over the draws, entry by entry.

    Of 320 entries a correct one leaves that with probability 6e-7 each; the seed is fixed.
    """

    @pytest.mark.parametrize("divergence", ["forward", "mse_logit"])
    def test_repaired_kd_is_class_mean_distillation_on_average(self, divergence: str, toy: ToyPair) -> None:
        draws, expected = repaired_gradients(toy, student_logits(), divergence)
        error = draws.std(0) / DRAWS**0.5
        assert draws.std(0).mean() > 1e-4
        assert ((draws.mean(0) - expected).abs() <= 5 * error + 1e-7).all()

    def test_a_divergence_that_is_not_linear_in_the_teacher_is_not(self, toy: ToyPair) -> None:
        """The same bound tells the reverse divergence apart, so it is tight enough to see a difference."""
        draws, expected = repaired_gradients(toy, student_logits(), "reverse")
        error = draws.std(0) / DRAWS**0.5
        assert ((draws.mean(0) - expected).abs() > 5 * error + 1e-7).any()


def student_logits() -> Tensor:
    return torch.randn(80, 4, generator=torch.Generator().manual_seed(1))
