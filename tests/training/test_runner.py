"""The one training loop, against a plain one, and what it refuses."""

import math
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests import toy as make
from tests.toy import STUDENT, ToyPair
from ucmkd.errors import TrainingError
from ucmkd.methods import base
from ucmkd.methods.base import Batch, Outputs
from ucmkd.settings import NoSettings
from ucmkd.training import selection
from ucmkd.training.predict import predict


class Meddling(base.Method[NoSettings]):
    """A method that does what it is told to, beside cross-entropy."""

    label = "Meddling"
    Settings = NoSettings
    where = "nowhere"
    extra: Tensor | None = None

    def __init__(self) -> None:
        super().__init__(NoSettings())
        self.seen: list[Batch] = []

    def prepare(self, context: base.Context) -> nn.Module | None:
        self.own = nn.Linear(make.WIDTH, 1)
        return None if self.where == "nowhere" else self.own

    def losses(self, student: Outputs, batch: Batch) -> dict[str, Tensor]:
        self.seen.append(batch)
        if self.where == "mode":
            self.own.eval()
        losses = {"loss/task": batch.task_loss(student.logits)}
        return losses if self.extra is None else losses | {"loss/extra": self.extra * student.features.mean()}


class TestMode:
    """Acceptance check 11: the runner alone sets the mode."""

    def test_a_method_that_evaluates_inside_a_step_is_stopped(self, toy: ToyPair) -> None:
        method = Meddling()
        method.where = "mode"
        with pytest.raises(TrainingError, match="'Meddling' put the student out of training mode"):
            toy.runner(method).fit()

    def test_a_student_that_comes_in_evaluation_mode_is_trained_in_training_mode(self, toy: ToyPair) -> None:
        asleep = toy.runner("ce", student=make.network().eval()).fit()
        awake = toy.runner("ce").fit()
        assert all(torch.equal(asleep.state[name], value) for name, value in awake.state.items())

    def test_scoring_moves_no_statistics(self, toy: ToyPair) -> None:
        often, once = (toy.runner("ce", epochs=4, evaluations=count) for count in (4, 1))
        for runner in (often, once):
            runner.fit()
        one, other = (dict(runner.network.named_buffers()) for runner in (often, once))
        assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_named(value: float, toy: ToyPair) -> None:
    method = Meddling()
    method.extra = torch.tensor(value)
    with pytest.raises(TrainingError, match=r"loss/extra.*Meddling, seed 0"):
        toy.runner(method).fit()


def plain_loop(toy: ToyPair, optimiser: torch.optim.Optimizer, student: nn.Module, epochs: int) -> None:
    """Cross-entropy, a cosine and clipping, as everybody writes them."""
    supply = toy.supply(needs=frozenset())
    steps = epochs * supply.sampler.steps()
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    student.train()
    for epoch in range(1, epochs + 1):
        for meeting in supply.sampler.epoch(0, epoch):
            optimiser.zero_grad()
            logits = student(supply.inputs[meeting.student]).logits
            F.cross_entropy(logits, supply.labels[torch.from_numpy(meeting.student)]).backward()
            torch.nn.utils.clip_grad_norm_(student.parameters(), 0.5)
            optimiser.step()
            schedule.step()


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_cross_entropy_is_a_plain_loop(optimiser: str, toy: ToyPair) -> None:
    student = make.network()
    plain = deepcopy(student)
    options: dict[str, Any] = {"lr": 0.05, "weight_decay": 0.01}
    theirs = (
        torch.optim.SGD(plain.parameters(), momentum=0.9, **options)
        if optimiser == "sgd"
        else torch.optim.AdamW(plain.parameters(), **options)
    )
    fitted = toy.runner("ce", student=student, epochs=3, evaluations=1, clip_norm=0.5, optimiser=optimiser,
                        learning_rate=0.05, weight_decay=0.01).fit()  # fmt: skip
    plain_loop(toy, theirs, plain, epochs=3)
    assert fitted.best_epoch == 3
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(fitted.state[name], value, rtol=1e-4, atol=1e-5, msg=name)


class TestBestEpoch:
    @pytest.mark.parametrize(
        ("scores", "best"),
        [
            ([(0.5, 1.0), (0.7, 2.0), (0.6, 0.1)], 2),
            ([(0.5, 1.0), (0.5, 0.9), (0.5, 0.95)], 2),
            ([(0.5, 1.0), (0.5, 1.0), (0.4, 0.1)], 1),
            ([(0.1, 1.0), (0.2, 1.0), (0.3, 1.0)], 3),
        ],
    )
    def test_it_has_the_best_accuracy_then_the_lowest_loss_then_comes_first(
        self, scores: list[tuple[float, float]], best: int, toy: ToyPair, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given = iter({"accuracy": accuracy, "nll": nll} for accuracy, nll in scores)
        monkeypatch.setattr(selection, "score", lambda logits, labels: next(given))
        fitted = toy.runner("ce", epochs=3, evaluations=3).fit()
        assert fitted.best_epoch == best
        assert fitted.validation["accuracy"] == scores[best - 1][0]

    def test_the_state_is_that_of_the_epoch(self, toy: ToyPair, monkeypatch: pytest.MonkeyPatch) -> None:
        whole = toy.runner("ce", epochs=4, evaluations=4, schedule="constant")
        part = toy.runner("ce", epochs=2, evaluations=1, schedule="constant").fit()
        given: Iterator[float] = iter([0.1, 0.9, 0.2, 0.3])
        monkeypatch.setattr(selection, "score", lambda logits, labels: {"accuracy": next(given), "nll": 1.0})
        fitted = whole.fit()
        assert fitted.best_epoch == 2
        assert all(torch.equal(fitted.state[name], value) for name, value in part.state.items())


class TestHistory:
    def test_it_has_a_row_for_every_metric_of_every_evaluation(self, toy: ToyPair) -> None:
        fitted = toy.runner("kd", epochs=5, evaluations=2).fit()
        names = {"loss/task", "loss/distillation", "gradient_ratio/distillation", "gradient_norm",
                 "val/accuracy", "val/nll"}  # fmt: skip
        assert {(epoch, name) for epoch, name, _ in fitted.history} == {(e, n) for e in (3, 5) for n in names}

    def test_inner_losses_are_compared_with_the_task_gradient(self, toy: ToyPair) -> None:
        rows = {name: value for _, name, value in toy.runner("ucmkd_paper", epochs=1).fit().history}
        assert rows["gradient_ratio/alignment"] > 0
        assert rows["gradient_ratio/label_alignment"] > 0
        assert 0 <= rows["transport/sharpness"] <= 1

    def test_the_kept_alignment_is_0_for_features_that_are_the_teachers(self, toy: ToyPair) -> None:
        student = make.network()
        supply = toy.supply()
        positions = np.arange(len(supply.validation_labels))
        own = predict(student, dict(student.named_parameters()), supply.validation).features
        away = replace(supply, reference=(positions, own + 10 * torch.eye(make.WIDTH)[0]))
        same = replace(supply, reference=(positions, own))
        measured = [
            toy.runner("kd", supply=each).selection.alignment(own)["alignment/kept"] for each in (same, away)
        ]
        assert measured[0] == pytest.approx(0, abs=1e-4)
        assert measured[1] > 0.1


class TestHiddenLabels:
    def test_only_labelled_rows_count_in_the_task_loss(self, toy: ToyPair) -> None:
        method = Meddling()
        supply = toy.supply("unlabelled_student", needs=frozenset())
        assert (supply.labels >= 0).sum() == 4 * 5
        toy.runner(method, supply=supply, label_smoothing=0.1).fit()
        for batch in method.seen:
            shown = batch.labels >= 0
            logits = torch.randn(len(shown), 4, generator=torch.manual_seed(0)).requires_grad_()
            expected = F.cross_entropy(logits[shown], batch.labels[shown], label_smoothing=0.1)
            torch.testing.assert_close(batch.task_loss(logits), expected)
            plain = F.cross_entropy(logits[shown], batch.labels[shown])
            torch.testing.assert_close(batch.task_loss(logits, label_smoothing=0.0), plain)
            gradient = torch.autograd.grad(batch.task_loss(logits), logits)[0]
            assert not gradient[~shown].any()

    def test_a_batch_without_labels_teaches_nothing(self, toy: ToyPair) -> None:
        method = Meddling()
        supply = toy.supply(needs=frozenset())
        hidden = replace(supply, labels=torch.full_like(supply.labels, -1))
        student = make.network()
        before = deepcopy(student)
        toy.runner(method, supply=hidden, student=student, weight_decay=0.0).fit()
        for mine, theirs in zip(student.parameters(), before.parameters(), strict=True):
            assert torch.equal(mine, theirs)


class TestRecipe:
    def test_lower_precision_trains_other_weights_of_the_same_type(self, toy: ToyPair) -> None:
        low, exact = (toy.runner("ucmkd_paper", precision=kind).fit() for kind in ("bfloat16", "float32"))
        assert all(value.isfinite().all() for value in low.state.values())
        assert {value.dtype for value in low.state.values()} == {
            value.dtype for value in exact.state.values()
        }
        assert not torch.equal(low.state["head.weight"], exact.state["head.weight"])

    def test_noise_is_added_to_training_inputs_and_depends_on_seed_and_epoch(self, toy: ToyPair) -> None:
        inputs = toy.supply().inputs
        drawn = []
        for seed in (0, 1):
            method = Meddling()
            runner = toy.runner(method, seed=seed, noise=0.5)
            runner.fit()
            meetings = [m for epoch in (1, 2) for m in toy.supply().sampler.epoch(seed, epoch)]
            noise = [b.inputs - inputs[m.student] for b, m in zip(method.seen, meetings, strict=True)]
            drawn += [torch.cat(noise[:3]), torch.cat(noise[3:])]
        for noise in drawn:
            assert noise.std() == pytest.approx(0.5, abs=5 * 0.5 / math.sqrt(2 * noise.numel()))
            assert sum(torch.allclose(noise, other, atol=1e-4) for other in drawn) == 1

    def test_rates_follow_the_schedule_step_by_step(self, toy: ToyPair) -> None:
        method = Meddling()
        toy.runner(method).fit()
        total = len(method.seen)
        assert [b.progress for b in method.seen] == [step / total for step in range(total)]
        expected = [0.5 * STUDENT.learning_rate * (1 + math.cos(math.pi * s / total)) for s in range(total)]
        assert [b.rate for b in method.seen] == pytest.approx(expected)

    def test_auxiliary_modules_are_trained_along_and_counted(self, toy: ToyPair) -> None:
        method = Meddling()
        method.where = "auxiliary"
        runner = toy.runner(method, weight_decay=0.5)
        before = deepcopy(runner._auxiliary)
        costs = runner.fit().costs
        assert costs["aux_parameters"] == make.WIDTH + 1
        assert costs["parameters"] == sum(value.numel() for value in make.network().parameters())
        assert not torch.equal(before.weight, runner._auxiliary.weight)
