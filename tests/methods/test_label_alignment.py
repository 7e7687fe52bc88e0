"""Label alignment against formulas written by hand (acceptance check 2)."""

import math
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tests import toy as make
from ucmkd.methods.base import TeacherBank
from ucmkd.methods.shared.label_alignment import LabelSettings, class_mean_kernel, kernel, label_alignment

ROWS, WIDTH, CLASSES = 12, 6, 5
CLASS_MEAN = torch.tensor([0.9, 0.5, 0.3, 0.7, 0.1], dtype=torch.float64)
KAPPA_MAX = 1.5


@dataclass
class Heads:
    """Student features with both heads on them, in double precision."""

    features: Tensor
    student: Tensor
    teacher: Tensor
    labels: Tensor

    def loss(self, **settings: Any) -> Tensor:
        """Label alignment of the encoder that gave the features."""
        return self.loss_at(self.features, **settings)

    def loss_at(self, features: Tensor, **settings: Any) -> Tensor:
        batch = make.batch(features, self.labels, None)
        return label_alignment(features @ self.student.T, features @ self.teacher.T, batch,
                               LabelSettings(**{"kappa_max": KAPPA_MAX} | settings), CLASS_MEAN)  # fmt: skip

    def gradient(self, **settings: Any) -> Tensor:
        """With respect to the features."""
        return torch.autograd.grad(self.loss(**settings), self.features)[0]

    def probabilities(self, head: Tensor) -> Tensor:
        return (self.features.detach() @ head.T).softmax(1)

    def own(self, head: Tensor) -> Tensor:
        """Probability of each sample's label."""
        return self.probabilities(head)[range(ROWS), self.labels]

    def kappa(self, kind: str) -> Tensor:
        """The kernel, from its definition."""
        own = self.own(self.teacher)
        return {
            "plugin": own,
            "ratio_clipped": torch.minimum(own / self.own(self.student), torch.tensor(KAPPA_MAX)),
            "one": torch.ones(ROWS),
            "zero": torch.zeros(ROWS),
            "class_mean": CLASS_MEAN[self.labels],
        }[kind]


@pytest.fixture
def heads() -> Heads:
    draw = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw, dtype=torch.float64)

    return Heads(normal(ROWS, WIDTH).requires_grad_(), normal(CLASSES, WIDTH), normal(CLASSES, WIDTH),
                 torch.arange(ROWS) % CLASSES)  # fmt: skip


KERNELS = ("plugin", "ratio_clipped", "one", "zero", "class_mean")


@pytest.mark.parametrize("kind", KERNELS)
class TestEveryKernel:
    def test_it_is_what_its_definition_says(self, kind: str, heads: Heads) -> None:
        logs = [F.log_softmax(heads.features.detach() @ head.T, 1) for head in (heads.student, heads.teacher)]
        given = kernel(kind, *logs, heads.labels, KAPPA_MAX, CLASS_MEAN)
        torch.testing.assert_close(given, heads.kappa(kind).double())

    def test_the_published_loss_takes_weighted_teacher_cross_entropy_off(
        self, kind: str, heads: Heads
    ) -> None:
        expected = -heads.own(heads.student).log() + heads.kappa(kind) * heads.own(heads.teacher).log()
        torch.testing.assert_close(heads.loss(kappa=kind).detach(), expected.mean())

    def test_the_aligned_loss_puts_it_on(self, kind: str, heads: Heads) -> None:
        expected = -heads.own(heads.student).log() - heads.kappa(kind) * heads.own(heads.teacher).log()
        torch.testing.assert_close(heads.loss(la_form="aligned", kappa=kind).detach(), expected.mean())

    def test_the_gated_loss_weights_the_divergence_of_the_heads(self, kind: str, heads: Heads) -> None:
        target, said = heads.probabilities(heads.teacher), heads.probabilities(heads.student)
        divergences = (target * (target / said).log()).sum(1)
        expected = (-heads.own(heads.student).log() + heads.kappa(kind) * divergences).mean()
        torch.testing.assert_close(heads.loss(la_form="kd_gate", kappa=kind).detach(), expected)

    @pytest.mark.parametrize(("form", "sign"), [("paper", 1), ("aligned", -1)])
    def test_the_features_are_pushed_along_the_teachers_head(
        self, kind: str, form: str, sign: int, heads: Heads
    ) -> None:
        """From d(kappa log p_T(y)) / dz = kappa W_T^T (e_y - p_T), kappa constant."""
        residual = F.one_hot(heads.labels, CLASSES) - heads.probabilities(heads.teacher)
        push = heads.kappa(kind).double().unsqueeze(1) * residual @ heads.teacher / ROWS
        task = torch.autograd.grad(
            F.cross_entropy(heads.features @ heads.student.T, heads.labels), heads.features
        )
        torch.testing.assert_close(heads.gradient(la_form=form, kappa=kind), task[0] + sign * push)

    def test_head_only_has_the_value_of_the_published_loss(self, kind: str, heads: Heads) -> None:
        published, released = heads.loss(kappa=kind), heads.loss(la_form="head_only", kappa=kind)
        torch.testing.assert_close(published, released)


class TestForms:
    def test_head_only_on_detached_features_gives_the_encoder_no_gradient(self, heads: Heads) -> None:
        head = heads.student.clone().requires_grad_()
        batch = make.batch(heads.features, heads.labels, None)
        loss = label_alignment(heads.features.detach() @ head.T, heads.features @ heads.teacher.T, batch,
                               LabelSettings(la_form="head_only"), CLASS_MEAN)  # fmt: skip
        to_encoder, to_head = torch.autograd.grad(loss, [heads.features, head], allow_unused=True)
        task = F.cross_entropy(heads.features.detach() @ head.T, heads.labels)
        assert to_encoder is None
        torch.testing.assert_close(to_head, torch.autograd.grad(task, head)[0])

    @pytest.mark.parametrize("form", ["paper", "paper_live", "aligned"])
    def test_the_head_learns_what_cross_entropy_teaches_it(self, form: str, heads: Heads) -> None:
        heads.student.requires_grad_()
        task = F.cross_entropy(heads.features.detach() @ heads.student.T, heads.labels)
        (expected,) = torch.autograd.grad(task, heads.student)
        torch.testing.assert_close(torch.autograd.grad(heads.loss(la_form=form), heads.student)[0], expected)

    def test_entropy_takes_the_entropy_of_the_teachers_head_off(self, heads: Heads) -> None:
        said = heads.probabilities(heads.teacher)
        entropy = -(said * said.log()).sum(1)
        expected = (-heads.own(heads.student).log() - entropy).mean()
        torch.testing.assert_close(heads.loss(la_form="entropy").detach(), expected)

    @pytest.mark.parametrize("form", ["paper_live", "entropy"])
    def test_nothing_is_held_constant(self, form: str, heads: Heads) -> None:
        assert torch.autograd.gradcheck(lambda z: heads.loss_at(z, la_form=form), heads.features)

    def test_the_gate_holds_the_teachers_side_constant(self, heads: Heads) -> None:
        target, said = heads.probabilities(heads.teacher), heads.probabilities(heads.student)
        pull = heads.kappa("plugin").unsqueeze(1) * (said - target) @ heads.student / ROWS
        task = heads.gradient(la_form="kd_gate", kappa="zero")
        torch.testing.assert_close(heads.gradient(la_form="kd_gate"), task + pull)

    @pytest.mark.parametrize("scale", [0.0, 0.1, 1.0, 10.0, 100.0])
    def test_the_published_loss_is_at_most_1_over_e_below_cross_entropy(
        self, scale: float, heads: Heads
    ) -> None:
        heads.teacher *= scale
        task = F.cross_entropy(heads.features @ heads.student.T, heads.labels)
        gap = float((task - heads.loss()).detach())
        assert -1e-12 <= gap <= 1 / math.e

    def test_the_bound_is_attained(self, heads: Heads) -> None:
        """A head that gives every label the probability 1/e."""
        other = math.log((1 - 1 / math.e) / (CLASSES - 1))
        logits = torch.where(F.one_hot(heads.labels, CLASSES).bool(), -1.0, other).double()
        batch = make.batch(heads.features, heads.labels, None)
        student = heads.features @ heads.student.T
        loss = label_alignment(student, logits, batch, LabelSettings(), CLASS_MEAN)
        gap = F.cross_entropy(student, heads.labels) - loss
        torch.testing.assert_close(gap.detach(), torch.tensor(1 / math.e, dtype=torch.float64))


def test_the_class_mean_is_over_the_teachers_samples_of_the_class(heads: Heads) -> None:
    logits = heads.features.detach() @ heads.teacher.T
    bank = TeacherBank(heads.features, logits, heads.labels, head=lambda features: features)
    own = heads.own(heads.teacher)
    expected = [own[heads.labels == label].mean() for label in range(CLASSES)]
    torch.testing.assert_close(class_mean_kernel(bank, CLASSES), torch.stack(expected))
