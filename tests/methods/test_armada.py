"""ARMADA against its formulas: what is compared, what the aligner learns and when, and what is refused."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import torch
from scipy.special import log_softmax, softmax
from torch import Tensor, nn

from tests.toy import CLASSES, WIDTH, ToyPair
from ucmkd.benchmark import Benchmark
from ucmkd.config import load, merge
from ucmkd.errors import ConfigError
from ucmkd.methods import armada
from ucmkd.methods.base import Batch, Context, Method, Outputs, TeacherBank, load_method
from ucmkd.methods.shared.manifold import mean_distance, pointwise_distance
from ucmkd.methods.shared.ts_aligner import AlignerTraining, TSAligner, nearby_orthogonal
from ucmkd.training.distill import distill

ROWS, COLUMNS = 24, 6
SOME = torch.arange(ROWS) % 3 > 0
SIZES = {"hidden": 16, "manifold_width": 5}
BOTH = ("armada", "armada_unpaired")


def prepared(toy: ToyPair, name: str = "armada", **settings: Any) -> tuple[Any, nn.Module]:
    """Give a method that has looked at the toy pair, and what is trained along."""
    method: Any = load_method(name, SIZES | settings)
    side = method.prepare(toy.context(method, "paired"))
    assert side is not None
    return method, side.train()


def meeting(toy: ToyPair, *, matched: Tensor | None = None, epoch: int = 1) -> Batch:
    batch = toy.batch(ROWS, met=ROWS)
    assert batch.teacher is not None
    return replace(batch, epoch=epoch, teacher=replace(batch.teacher, matched=matched))


def teacher_order(batch: Batch, order: Tensor) -> Batch:
    """Let the same teacher rows stand in another order."""
    assert batch.teacher is not None
    assert batch.teacher.inputs is not None
    assert batch.teacher.rows is not None
    turned = replace(batch.teacher, inputs=batch.teacher.inputs[order], rows=batch.teacher.rows[order])
    return replace(batch, teacher=turned)


def weights(module: nn.Module) -> dict[str, np.ndarray]:
    return {name: value.detach().double().numpy() for name, value in module.named_parameters()}


def aligner_said(method: Any, embeddings: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Run the aligner as it is now, in numpy and without dropout."""
    w = weights(method._aligner)
    hidden = embeddings
    for layer in ("first", "second"):
        hidden = np.maximum(hidden @ w[f"{layer}.weight"].T + w[f"{layer}.bias"], 0)
    mapped = embeddings @ w["map.weight"].T
    return (
        hidden @ w["head.weight"].T + w["head.bias"],
        mapped @ w["map_head.weight"].T + w["map_head.bias"],
        mapped,
    )


def embeddings_of(batch: Batch) -> np.ndarray:
    assert batch.teacher is not None
    assert batch.teacher.inputs is not None
    return batch.teacher.inputs.double().numpy()


def student_said(side: nn.Module, student: Outputs) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give logits of both heads and mapped features, in numpy."""
    w, features = weights(side), student.features.detach().double().numpy()
    mapped = features @ w["map.weight"].T
    return (
        student.logits.detach().double().numpy(),
        mapped @ w["head.weight"].T + w["head.bias"],
        mapped,
    )


def cross_entropy(logits: np.ndarray, labels: Tensor) -> float:
    return float(-log_softmax(logits, axis=1)[range(len(labels)), labels.numpy()].mean())


def squared_rows(b: np.ndarray, targets: np.ndarray, temperature: float) -> np.ndarray:
    """Give T^2 times the mean over classes of the squared difference of predictions, row by row."""
    return temperature**2 * ((softmax(b / temperature, axis=1) - targets) ** 2).mean(1)


def manifold(kind: str, own: np.ndarray, other: np.ndarray, rows: np.ndarray) -> float:
    s, t = own.mean(0), other.mean(0)
    if kind == "euclid":
        return float(((s - t) ** 2).mean())
    if kind == "cosine":
        return float(1 - s @ t / np.sqrt((s @ s) * (t @ t)))
    return float(((own - other)[rows] ** 2).mean())


class TestLosses:
    @pytest.mark.parametrize("matched", [None, SOME], ids=["all", "some"])
    @pytest.mark.parametrize("kind", ["euclid", "cosine", "pointwise"])
    def test_are_those_of_the_formula(self, toy: ToyPair, kind: str, matched: Tensor | None) -> None:
        method, side = prepared(toy, alpha=0.3, beta=2, gamma=0.7, temperature=3, manifold=kind)
        student, batch = toy.outputs(ROWS), meeting(toy, matched=matched)
        found = {name: value.item() for name, value in method.losses(student, batch).items()}
        a1, a2, m_t = aligner_said(method, embeddings_of(batch))
        b1, b2, m_s = student_said(side, student)
        rows = np.arange(ROWS) if matched is None else np.flatnonzero(matched.numpy())
        outputs = [squared_rows(b, softmax(a / 3, axis=1), 3)[rows].mean() for a, b in ((a1, b1), (a2, b2))]
        expected = {
            "loss/task": 0.7 * cross_entropy(b1, batch.labels),
            "loss/auxiliary_task": 0.7 * 0.7 * cross_entropy(b2, batch.labels),
            "loss/outputs": 0.3 * (outputs[0] + 0.7 * outputs[1]),
            "loss/manifold": 2 * manifold(kind, m_s, m_t, rows),
        }
        assert found == pytest.approx(expected, rel=1e-4)

    def test_without_pairs_targets_are_class_means_over_the_bank(self, toy: ToyPair) -> None:
        method, side = prepared(toy, "armada_unpaired", alpha=0.3, gamma=0.7, temperature=3)
        student, batch = toy.outputs(ROWS), meeting(toy)
        found = {name: value.item() for name, value in method.losses(student, batch).items()}
        bank = toy.supply("paired", needs=frozenset({"inputs"})).bank
        assert bank is not None
        assert bank.inputs is not None
        everything = aligner_said(method, bank.inputs.double().numpy())
        labels, outputs = bank.labels.numpy(), []
        for a, b in zip(everything[:2], student_said(side, student)[:2], strict=True):
            soft = softmax(a / 3, axis=1)
            means = np.stack([soft[labels == k].mean(0) for k in range(len(CLASSES))])
            outputs.append(squared_rows(b, means[batch.labels.numpy()], 3).mean())
        assert found["loss/outputs"] == pytest.approx(0.3 * (outputs[0] + 0.7 * outputs[1]), rel=1e-4)
        of_batch = aligner_said(method, embeddings_of(batch))[2]
        expected = manifold("euclid", student_said(side, student)[2], of_batch, np.arange(ROWS))
        assert found["loss/manifold"] == pytest.approx(expected, rel=1e-4)

    def test_a_class_without_embeddings_has_no_target(self, toy: ToyPair) -> None:
        method: Any = load_method("armada_unpaired", SIZES)
        context = toy.context(method, "paired")
        bank = context.teacher
        assert bank is not None
        assert bank.inputs is not None
        kept = bank.labels != 2
        few = replace(bank, **{name: getattr(bank, name)[kept]
                               for name in ("features", "logits", "labels", "inputs")})  # fmt: skip
        method.prepare(replace(context, teacher=few))
        student, batch = toy.outputs(ROWS), meeting(toy)
        loss = method.losses(student, batch)["loss/outputs"]
        (gradient,) = torch.autograd.grad(loss, student.logits)
        assert (gradient.abs().sum(1) > 0).tolist() == (batch.labels != 2).tolist()

    @pytest.mark.parametrize(("kind", "blind"), [("euclid", True), ("cosine", True), ("pointwise", False)])
    def test_who_notices_the_order_of_the_teacher_rows(self, toy: ToyPair, kind: str, blind: bool) -> None:
        method, _ = prepared(toy, manifold=kind)
        student, batch = toy.outputs(ROWS), meeting(toy)
        first = method.losses(student, batch)
        turned = method.losses(student, teacher_order(batch, torch.arange(ROWS).flip(0)))
        same = first["loss/manifold"].item() == pytest.approx(turned["loss/manifold"].item(), rel=1e-4)
        assert same == blind
        assert first["loss/outputs"].item() != pytest.approx(turned["loss/outputs"].item(), rel=1e-4)

    def test_without_pairs_nothing_notices_it(self, toy: ToyPair) -> None:
        method, _ = prepared(toy, "armada_unpaired")
        student, batch = toy.outputs(ROWS), meeting(toy)
        turned = method.losses(student, teacher_order(batch, torch.arange(ROWS).flip(0)))
        for name, value in method.losses(student, batch).items():
            assert value.item() == pytest.approx(turned[name].item(), rel=1e-4)

    @pytest.mark.parametrize("name", BOTH)
    def test_without_alpha_and_beta_the_gradient_is_that_of_both_cross_entropies(
        self, toy: ToyPair, name: str
    ) -> None:
        method, side = prepared(toy, name, alpha=0, beta=0, gamma=0.5)
        student, batch = toy.outputs(ROWS), meeting(toy)
        total = torch.stack(list(method.losses(student, batch).values())).sum()
        (found,) = torch.autograd.grad(total, student.features, retain_graph=True)
        w, hot = weights(side), np.eye(len(CLASSES))[batch.labels.numpy()]
        _, b2, _ = student_said(side, student)
        auxiliary = (softmax(b2, axis=1) - hot) / ROWS @ w["head.weight"] @ w["map.weight"]
        task = torch.nn.functional.cross_entropy(student.logits, batch.labels)
        (plain,) = torch.autograd.grad(task, student.features)
        np.testing.assert_allclose(found, plain.numpy() + 0.5 * auxiliary, atol=1e-6)

    @pytest.mark.parametrize("name", BOTH)
    def test_the_manifold_term_can_be_left_out(self, toy: ToyPair, name: str) -> None:
        method, _ = prepared(toy, name, manifold="none")
        assert set(method.losses(toy.outputs(ROWS), meeting(toy))) == {
            "loss/task", "loss/auxiliary_task", "loss/outputs"
        }  # fmt: skip

    @pytest.mark.parametrize("name", BOTH)
    def test_send_no_gradient_to_the_aligner(self, toy: ToyPair, name: str) -> None:
        method, _ = prepared(toy, name)
        total = torch.stack(list(method.losses(toy.outputs(ROWS), meeting(toy)).values())).sum()
        found = torch.autograd.grad(total, list(method._aligner.parameters()), allow_unused=True)
        assert all(gradient is None for gradient in found)


class TestAligner:
    @pytest.mark.parametrize("width", [3, COLUMNS, 9])
    def test_its_map_stays_orthogonal(self, width: int) -> None:
        aligner, (embeddings, labels) = self.aligner(width=width), self.separable()
        first = aligner.map.weight.detach().clone()
        self.train(aligner, embeddings, labels, passes=20)
        weight = aligner.map.weight.detach()
        gram = weight @ weight.T if width <= COLUMNS else weight.T @ weight
        torch.testing.assert_close(gram, torch.eye(len(gram)), atol=1e-5, rtol=0)
        assert (weight - first).abs().max() > 0.01

    def test_learns_what_the_embeddings_say(self) -> None:
        aligner, (embeddings, labels) = self.aligner(), self.separable()
        with torch.no_grad():
            before = aligner(embeddings)
        self.train(aligner, embeddings, labels, passes=40)
        with torch.no_grad():
            after = aligner(embeddings)
        assert (before.logits.argmax(1) == labels).float().mean() < 0.6
        assert (after.logits.argmax(1) == labels).float().mean() > 0.95
        assert (after.map_logits.argmax(1) == labels).float().mean() > 0.95

    def test_drops_values_in_training_alone(self) -> None:
        aligner, (embeddings, _) = self.aligner(dropout=0.5), self.separable()
        first, again = aligner(embeddings), aligner(embeddings)
        dropped = aligner(embeddings, torch.Generator().manual_seed(0))
        assert torch.equal(first.logits, again.logits)
        assert not torch.equal(first.logits, dropped.logits)
        assert torch.equal(first.map_logits, dropped.map_logits)

    @pytest.mark.parametrize("shape", [(4, 9), (9, 4), (5, 5)])
    def test_retraction_is_the_orthogonal_factor_with_positive_diagonal(self, shape: tuple[int, int]) -> None:
        weight = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        tall = weight.T.numpy() if shape[0] < shape[1] else weight.numpy()
        q, r = scipy.linalg.qr(tall, mode="economic")
        expected = q * np.sign(np.diag(r))
        found = nearby_orthogonal(weight).numpy()
        np.testing.assert_allclose(found.T if shape[0] < shape[1] else found, expected, atol=1e-12)
        np.testing.assert_allclose(nearby_orthogonal(torch.from_numpy(found)), found, atol=1e-12)

    @staticmethod
    def aligner(*, width: int = 4, dropout: float = 0.1) -> TSAligner:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return TSAligner(COLUMNS, len(CLASSES), hidden=16, width=width, dropout=dropout)

    @staticmethod
    def separable() -> tuple[Tensor, Tensor]:
        labels = torch.arange(120) % len(CLASSES)
        noise = torch.randn(120, COLUMNS, generator=torch.Generator().manual_seed(1))
        return 3 * torch.eye(len(CLASSES), COLUMNS)[labels] + 0.3 * noise, labels

    @staticmethod
    def train(aligner: TSAligner, embeddings: Tensor, labels: Tensor, *, passes: int) -> None:
        draw = torch.Generator().manual_seed(2)
        training = AlignerTraining(aligner, gamma=1.0, rate=0.01, generator=draw)
        for _ in range(passes):
            training.run(embeddings, labels, 30)


@pytest.mark.parametrize("name", BOTH)
class TestSchedule:
    def test_the_aligner_learns_between_epochs_alone(self, toy: ToyPair, name: str) -> None:
        method, _ = prepared(toy, name)
        states = [weights(method._aligner)]
        for epoch in (1, 1, 2, 2):
            method.losses(toy.outputs(ROWS), meeting(toy, epoch=epoch))
            states.append({key: value.copy() for key, value in weights(method._aligner).items()})
        moved = [
            any(not np.array_equal(one[key], other[key]) for key in one) for one, other in pairwise(states)
        ]
        assert moved == [True, False, True, False]

    def test_a_random_one_never_does(self, toy: ToyPair, name: str) -> None:
        method, _ = prepared(toy, name, aligner="random")
        before = weights(method._aligner)
        method.losses(toy.outputs(ROWS), meeting(toy, epoch=3))
        assert all(np.array_equal(before[key], value) for key, value in weights(method._aligner).items())
        assert method.own_parameters == 0

    def test_its_passes_and_weights_are_counted(self, toy: ToyPair, name: str) -> None:
        runner = toy.runner(name, "paired", settings=SIZES)
        costs = runner.fit().costs
        batches = list(toy.meetings("paired"))
        met, first = len(toy.met("paired")), len(batches[0].student)
        passes = ceil(met / first) / len(batches)
        everything = met / first / len(batches) if name == "armada_unpaired" else 0
        assert costs["teacher_backwards"] == pytest.approx(passes)
        assert costs["teacher_forwards"] == pytest.approx(1 + passes + everything)
        k, h, m = len(CLASSES), SIZES["hidden"], SIZES["manifold_width"]
        aligner = (COLUMNS + 1) * h + (h + 1) * h + (h + 1) * k + COLUMNS * m + (m + 1) * k
        assert costs["aux_parameters"] == aligner + WIDTH * m + (m + 1) * k


class TestEmbeddings:
    @pytest.mark.parametrize("name", BOTH)
    def test_noise_hides_the_real_ones(self, toy: ToyPair, name: str) -> None:
        batch = meeting(toy)
        assert batch.teacher is not None
        assert batch.teacher.inputs is not None
        other = replace(batch, teacher=replace(batch.teacher, inputs=batch.teacher.inputs + 5))
        losses = {}
        for embeddings in ("real", "noise"):
            method, _ = prepared(toy, name, embeddings=embeddings)
            student = toy.outputs(ROWS)
            losses[embeddings] = [
                torch.stack(list(method.losses(student, b).values())).sum().item() for b in (batch, other)
            ]
        assert losses["noise"][0] == losses["noise"][1]
        assert losses["real"][0] != losses["real"][1]
        assert losses["real"][0] != losses["noise"][0]

    def test_noise_is_standard_normal_and_starts_the_same_aligner(self, toy: ToyPair) -> None:
        real, noisy = (prepared(toy, embeddings=which)[0] for which in ("real", "noise"))
        one, other = weights(real._aligner), weights(noisy._aligner)
        assert all(np.array_equal(one[key], other[key]) for key in one)
        assert noisy._embedded.shape == real._embedded.shape
        assert abs(noisy._embedded.mean()) < 0.15
        assert abs(noisy._embedded.std() - 1) < 0.15

    def test_a_shuffled_teacher_gives_the_same_embeddings_to_other_rows(
        self, toy: ToyPair, teachers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given: list[TeacherBank] = []
        prepare: Callable[[Method[Any], Context], nn.Module] = armada.Method.prepare

        def spy(method: Method[Any], context: Context) -> nn.Module:
            assert context.teacher is not None
            given.append(context.teacher)
            return prepare(method, context)

        monkeypatch.setattr(armada.Method, "prepare", spy)
        for control in ("real", "shuffled"):
            distill(**toy.student_job(tmp_path / control, teachers, "armada", "paired",
                                      control=control, seeds=[0]))  # fmt: skip
        real, shuffled = (bank.inputs for bank in given)
        assert real is not None
        assert shuffled is not None
        met = toy.met("paired")
        assert torch.equal(real, met[np.arange(len(met))])
        assert torch.equal(given[0].labels, given[1].labels)
        assert (real != shuffled).any(1).float().mean() > 0.9
        assert sorted(map(tuple, real.tolist())) == sorted(map(tuple, shuffled.tolist()))
        assert all(bank.network is None for bank in given)


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"alpha": 1.5}, r"alpha is 1\.5; it must lie in \[0, 1\]"),
        ({"beta": -1}, "beta is -1"),
        ({"gamma": -1}, "gamma is -1"),
        ({"temperature": 0}, "temperature is 0"),
        ({"aligner_rate": 0}, "aligner_rate is 0"),
        ({"dropout": 1}, "dropout is 1"),
        ({"hidden": 0}, "hidden is 0"),
        ({"manifold_width": 0}, "manifold_width is 0"),
        ({"manifold": "euclidean"}, "manifold: 'euclidean' is not one of euclid, cosine"),
        ({"aligner": "frozen"}, "aligner: 'frozen' is not one of trained, random"),
        ({"embeddings": "zero"}, "embeddings: 'zero' is not one of real, noise"),
    ],
)
def test_impossible_settings_are_refused(name: str, values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=rf"settings\.{name}.*{message}"):
        load_method(name, values)


def test_rows_are_compared_only_with_pairs() -> None:
    with pytest.raises(ConfigError, match="'pointwise' is not one of euclid, cosine, none"):
        load_method("armada_unpaired", {"manifold": "pointwise"})


def asked(name: str, pair: str, variants: list[str]) -> Benchmark:
    grid = {"pairs": [pair], "regimes": ["paired"], "methods": ["kd", name], "variants": variants}
    words = {
        "models": {"text": "text_ngrams"},
        "datasets": {"captions_text": {"kind": "captions", "view": "text"},
                     "captions_generated": {"kind": "captions", "view": "generated"}},
        "pairs": {"captions": {"teacher": "captions_text", "student": "captions_generated"}},
        "cells": [grid],
    }  # fmt: skip
    return Benchmark.parse(merge(load(), words))


@pytest.mark.parametrize("name", BOTH)
class TestConfiguration:
    def test_an_untrained_teacher_is_refused_where_no_network_is_read(self, name: str) -> None:
        with pytest.raises(
            ConfigError, match=rf"cells\[0\]\.variants: 'random_teacher' .*'{name}'.*'noise_te"
        ):
            asked(name, "handwritten_profiles", ["default", "random_teacher"])

    def test_a_shuffled_one_is_not(self, name: str) -> None:
        assert len(asked(name, "handwritten_profiles", ["default", "shuffled_teacher"]).cells) == 4

    def test_words_are_no_embeddings(self, name: str) -> None:
        with pytest.raises(ConfigError, match=rf"'{name}' reads .*'captions_text' .*embed it first"):
            asked(name, "captions", ["default"])


@pytest.mark.parametrize("kind", ["euclid", "cosine"])
def test_means_of_batches_of_different_size_are_compared(kind: Any) -> None:
    draw = torch.Generator().manual_seed(0)
    own, other = torch.randn(7, 3, generator=draw), torch.randn(11, 3, generator=draw)
    found = mean_distance(kind, own, other)
    expected = manifold(kind, own.double().numpy(), other.double().numpy(), np.arange(7))
    assert found.item() == pytest.approx(expected, rel=1e-5)
    assert mean_distance(kind, own, own[torch.randperm(7, generator=draw)]).item() == pytest.approx(
        0, abs=1e-6
    )


def test_equal_rows_are_at_no_distance() -> None:
    rows = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    assert pointwise_distance(rows, rows, None).item() == 0
    assert pointwise_distance(rows, rows.flip(0), None).item() > 0
