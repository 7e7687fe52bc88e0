"""C2KD against its formula: eight terms, what each may change, and which samples are transferred."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax
from scipy.stats import kendalltau
from torch import Tensor, nn

from tests.toy import WIDTH, ToyPair
from ucmkd.errors import ConfigError
from ucmkd.methods.base import Batch, Method, Outputs, load_method
from ucmkd.methods.c2kd import without_target
from ucmkd.methods.shared.rank_correlation import kendall_tau

ROWS = 24
TRANSFER = ("loss/transfer_to_student", "loss/transfer_to_teacher")
OF_TEACHER = ("loss/teacher_task", "loss/teacher_to_proxy", "loss/proxy_to_teacher")
OF_STUDENT = ("loss/task", "loss/student_to_proxy", "loss/proxy_to_student")


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class TestKendall:
    @pytest.mark.parametrize("classes", [2, 3, 7, 40])
    def test_is_that_of_scipy(self, classes: int) -> None:
        one, other = noise(30, classes), noise(30, classes, seed=1)
        expected = [kendalltau(u, v).statistic for u, v in zip(one, other, strict=True)]
        np.testing.assert_allclose(kendall_tau(one, other), expected, atol=1e-12)

    @pytest.mark.parametrize("values", [2, 3, 5])
    def test_counts_ties_as_tau_b_does(self, values: int) -> None:
        draw = np.random.default_rng(0)
        one, other = (torch.from_numpy(draw.integers(values, size=(60, 4))).double() for _ in range(2))
        expected = np.array(
            [kendalltau(u, v, variant="b").statistic for u, v in zip(one, other, strict=True)]
        )
        np.testing.assert_allclose(kendall_tau(one, other), expected, atol=1e-12)

    def test_sees_order_alone(self) -> None:
        one, other = noise(20, 6), noise(20, 6, seed=1)
        assert torch.equal(kendall_tau(one.exp(), 3 * other - 1), kendall_tau(one, other))
        assert torch.equal(kendall_tau(one, -other), -kendall_tau(one, other))

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_never_exceeds_one(self, dtype: torch.dtype) -> None:
        rows = torch.stack(
            [torch.randperm(300, generator=torch.Generator().manual_seed(s)) for s in range(9)]
        )
        assert kendall_tau(rows.to(dtype), rows.to(dtype)).tolist() == [1.0] * 9

    def test_is_no_number_where_a_row_holds_one_value_only(self) -> None:
        rows = torch.tensor([[1.0, 2.0, 3.0], [2.0, 2.0, 2.0]])
        assert kendall_tau(rows, rows.flip(0)).isnan().all()


class TestWithoutTarget:
    def test_the_rest_is_the_distribution_given_another_class(self) -> None:
        logits, labels = noise(9, 5), torch.arange(9) % 5
        found = torch.sort(without_target(logits, labels, "neg_inf").softmax(1), 1).values
        whole = softmax(logits.numpy(), axis=1)
        for i, label in enumerate(labels.tolist()):
            others = np.delete(whole[i], label)
            np.testing.assert_allclose(found[i], np.sort(others / others.sum()), rtol=1e-9)

    def test_or_its_logit_is_set_to_zero(self) -> None:
        logits, labels = noise(9, 5), torch.arange(9) % 5
        expected = logits.numpy().copy()
        expected[range(9), labels] *= 0
        np.testing.assert_array_equal(without_target(logits, labels, "zero"), expected)


def prepared(toy: ToyPair, *, seed: int = 0, **settings: Any) -> tuple[Method[Any], nn.Module]:
    """Give a method in its regime, and its parts in training mode."""
    method = load_method("c2kd", settings)
    parts = method.prepare(toy.context(method, "paired", seed=seed))
    assert parts is not None
    return method, parts.train()


def meeting(toy: ToyPair, matched: Tensor | None = None) -> Batch:
    """Give rows that are partners, all of them unless others are named."""
    batch = toy.batch(ROWS, met=ROWS)
    assert batch.teacher is not None
    rows = torch.ones(ROWS, dtype=torch.bool) if matched is None else matched
    return replace(batch, teacher=replace(batch.teacher, labels=batch.labels, matched=rows))


def spoken(parts: nn.Module, said: Outputs, batch: Batch) -> dict[str, Tensor]:
    """Give the four predictions, as the parts make them."""
    assert batch.teacher is not None
    teacher = parts.get_submodule("teacher")(batch.teacher.inputs)
    return {
        "a": teacher.logits,
        "b": said.logits,
        "u": parts.get_submodule("teacher_proxy")(teacher.features),
        "v": parts.get_submodule("student_proxy")(said.features),
    }


def divergence(p: np.ndarray, q: np.ndarray) -> float:
    """KL of two rows of logits."""
    return float((softmax(p) * (log_softmax(p) - log_softmax(q))).sum())


def cross_entropy(logits: np.ndarray, label: int) -> float:
    return float(-log_softmax(logits)[label])


def without(row: np.ndarray, label: int, mask: str) -> np.ndarray:
    return np.delete(row, label) if mask == "neg_inf" else row * (np.arange(len(row)) != label)


@pytest.mark.parametrize("mask", ["neg_inf", "zero"])
@pytest.mark.parametrize("reduction", ["all", "kept"])
@pytest.mark.parametrize("some", [False, True])
def test_the_terms_are_those_of_the_formula(mask: str, reduction: str, some: bool, toy: ToyPair) -> None:
    """Row by row; rows without a partner count in what the student learns from itself alone."""
    matched = torch.arange(ROWS) % 3 > 0 if some else torch.ones(ROWS, dtype=torch.bool)
    method, parts = prepared(toy, mask=mask, reduction=reduction, weight=0.5)
    said, batch = toy.outputs(ROWS), meeting(toy, matched)
    a, b, u, v = (values.detach().double().numpy() for values in spoken(parts, said, batch).values())
    labels, partners = batch.labels.tolist(), np.flatnonzero(matched)
    kept = [i for i in partners if kendalltau(u[i], v[i]).statistic > 0]
    assert 0 < len(kept) < len(partners)
    divisor = len(kept) if reduction == "kept" else len(partners)

    def transfer(p: np.ndarray, q: np.ndarray) -> float:
        return sum(divergence(without(p[i], labels[i], mask), without(q[i], labels[i], mask)) for i in kept)

    expected = {
        "loss/task": np.mean([cross_entropy(b[i], labels[i]) for i in range(ROWS)]),
        "loss/teacher_task": np.mean([cross_entropy(a[i], labels[i]) for i in partners]),
        "loss/teacher_to_proxy": 0.5 * np.mean([divergence(a[i], u[i]) for i in partners]),
        "loss/proxy_to_teacher": 0.5 * np.mean([divergence(u[i], a[i]) for i in partners]),
        "loss/student_to_proxy": 0.5 * np.mean([divergence(b[i], v[i]) for i in range(ROWS)]),
        "loss/proxy_to_student": 0.5 * np.mean([divergence(v[i], b[i]) for i in range(ROWS)]),
        "loss/transfer_to_student": 0.5 * transfer(u, v) / divisor,
        "loss/transfer_to_teacher": 0.5 * transfer(v, u) / divisor,
    }
    found = method.losses(said, batch)
    assert {name: value.item() for name, value in found.items()} == pytest.approx(expected, rel=1e-4)
    assert batch.monitor.means()["transfer/kept"] == pytest.approx(len(kept) / ROWS)


LEARNS = {
    "loss/task": {"student"},
    "loss/teacher_task": {"teacher"},
    "loss/teacher_to_proxy": {"teacher_proxy", "teacher features"},
    "loss/proxy_to_teacher": {"teacher"},
    "loss/student_to_proxy": {"student_proxy", "student features"},
    "loss/proxy_to_student": {"student"},
    "loss/transfer_to_student": {"student_proxy", "student features"},
    "loss/transfer_to_teacher": {"teacher_proxy", "teacher features"},
}
"""What each term moves: logits of one side, or a proxy and the features that it reads."""


@pytest.mark.parametrize("term", LEARNS)
def test_gradients_stop_where_the_formula_says(term: str, toy: ToyPair) -> None:
    method, parts = prepared(toy)
    said, batch = toy.outputs(ROWS), meeting(toy)
    logits = said.logits.detach().requires_grad_()
    features = said.features.detach().requires_grad_()
    teacher = parts.get_submodule("teacher")
    own = {
        "student": [logits],
        "student features": [features],
        "teacher": list(teacher.get_submodule("head").parameters()),
        "teacher features": list(teacher.get_submodule("encoder").parameters()),
        "teacher_proxy": list(parts.get_submodule("teacher_proxy").parameters()),
        "student_proxy": list(parts.get_submodule("student_proxy").parameters()),
    }
    loss = method.losses(replace(said, logits=logits, features=features), batch)[term]
    reached = {
        name for name, values in own.items()
        if any(g is not None and g.abs().sum() > 0
               for g in torch.autograd.grad(loss, values, retain_graph=True, allow_unused=True))
    }  # fmt: skip
    from_logits = {"teacher features"} if LEARNS[term] == {"teacher"} else set()
    assert reached == LEARNS[term] | from_logits


class TestThreshold:
    def test_of_one_keeps_nothing(self, toy: ToyPair) -> None:
        method, parts = prepared(toy, threshold=1.0)
        losses = method.losses(toy.outputs(ROWS), meeting(toy))
        assert [losses[name].item() for name in TRANSFER] == [0.0, 0.0]
        gradients = torch.autograd.grad(sum(losses[name] for name in TRANSFER), list(parts.parameters()),
                                        allow_unused=True)  # fmt: skip
        assert all(gradient is None or gradient.abs().sum() == 0 for gradient in gradients)

    def test_below_minus_one_keeps_everything(self, toy: ToyPair) -> None:
        batch = meeting(toy)
        said = toy.outputs(ROWS)
        found = {
            reduction: prepared(toy, threshold=-1.5, reduction=reduction)[0].losses(said, batch)
            for reduction in ("all", "kept")
        }
        assert batch.monitor.means()["transfer/kept"] == 1.0
        for name in TRANSFER:
            assert found["all"][name].item() == found["kept"][name].item() > 0

    def test_drops_samples_on_which_a_proxy_does_not_tell_classes_apart(self, toy: ToyPair) -> None:
        method, parts = prepared(toy, threshold=-1.5)
        with torch.no_grad():
            for value in parts.get_submodule("teacher_proxy.3").parameters():
                value.zero_()
        losses = method.losses(toy.outputs(ROWS), meeting(toy))
        assert [losses[name].item() for name in TRANSFER] == [0.0, 0.0]

    def test_above_one_is_refused(self) -> None:
        with pytest.raises(ConfigError, match=r"settings\.c2kd: threshold is 1.5; it must be at most 1"):
            load_method("c2kd", {"threshold": 1.5})


def test_without_any_partner_only_the_student_learns_from_itself(toy: ToyPair) -> None:
    method, _ = prepared(toy)
    losses = method.losses(toy.outputs(ROWS), meeting(toy, torch.zeros(ROWS, dtype=torch.bool)))
    assert all(losses[name].item() == 0.0 for name in (*OF_TEACHER, *TRANSFER))
    assert all(losses[name].item() > 0.0 for name in OF_STUDENT)


class TestTeacher:
    def test_is_trained_as_a_copy(self, toy: ToyPair) -> None:
        method = load_method("c2kd")
        context = toy.context(method, "paired")
        assert context.teacher is not None
        assert context.teacher.network is not None
        before = {key: value.clone() for key, value in context.teacher.network.state_dict().items()}
        parts = method.prepare(context)
        assert parts is not None
        copied = parts.get_submodule("teacher")
        assert all(torch.equal(value, before[key]) for key, value in copied.state_dict().items())
        assert all(value.requires_grad for value in parts.parameters())
        shared = {value.data_ptr() for value in context.teacher.network.parameters()}
        assert not shared & {value.data_ptr() for value in parts.parameters()}
        method.losses(toy.outputs(ROWS), meeting(toy))
        assert not any(value.requires_grad for value in context.teacher.network.parameters())

    def test_learns_and_the_given_one_does_not(self, toy: ToyPair) -> None:
        supply = toy.supply("paired", needs=frozenset({"live"}))
        assert supply.teacher is not None
        before = {key: value.clone() for key, value in supply.teacher.network.state_dict().items()}
        first = toy.runner("c2kd", "paired", supply=supply).fit().history
        assert all(torch.equal(before[key], value)
                   for key, value in supply.teacher.network.state_dict().items())  # fmt: skip
        losses = [value for _, name, value in first if name == "loss/teacher_task"]
        assert losses[-1] < losses[0]

    def test_costs_a_pass_forward_and_one_backward(self, toy: ToyPair) -> None:
        runner = toy.runner("c2kd", "paired")
        runner.step(next(toy.meetings("paired")))
        costs = runner.ledger()
        passes = ("student_forwards", "student_backwards", "teacher_forwards", "teacher_backwards")
        assert [costs[key] for key in passes] == [1, 1, 1, 1]

    def test_and_proxies_are_counted_as_auxiliary(self, toy: ToyPair) -> None:
        _, parts = prepared(toy)
        proxy = WIDTH * WIDTH + WIDTH + 2 * WIDTH + WIDTH * 4 + 4
        own = sum(value.numel() for value in parts.get_submodule("teacher").parameters())
        assert sum(value.numel() for value in parts.parameters()) == own + 2 * proxy


def test_proxies_start_from_the_methods_own_stream(toy: ToyPair) -> None:
    first, again, other = (prepared(toy, seed=seed)[1].state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)
    assert not torch.equal(first["teacher_proxy.0.weight"], first["student_proxy.0.weight"])


def test_the_first_layer_of_a_proxy_is_the_1x1_convolution_of_the_pooled_map(toy: ToyPair) -> None:
    _, parts = prepared(toy)
    linear = parts.get_submodule("student_proxy.0")
    assert isinstance(linear, nn.Linear)
    convolution = nn.Conv2d(WIDTH, WIDTH, 1)
    with torch.no_grad():
        convolution.weight.copy_(linear.weight.view(WIDTH, WIDTH, 1, 1))
        assert linear.bias is not None
        assert convolution.bias is not None
        convolution.bias.copy_(linear.bias)
    maps = noise(5, WIDTH, 3, 4).float()
    pooled = maps.mean((2, 3), keepdim=True)
    found, expected = (values.detach().flatten(1).numpy()
                       for values in (linear(maps.mean((2, 3))), convolution(pooled)))  # fmt: skip
    np.testing.assert_allclose(found, expected, atol=1e-6)
