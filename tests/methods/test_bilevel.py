"""The bilevel update against copies of modules and the optimisers of torch."""

from collections.abc import Callable
from copy import deepcopy
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tests import toy as make
from tests.methods.conftest import Step
from tests.toy import STUDENT, ToyPair
from ucmkd.errors import ConfigError
from ucmkd.methods.base import Parameters, load_method, method_class, method_names
from ucmkd.methods.shared.bilevel import BilevelMethod
from ucmkd.training.inner import Inner
from ucmkd.training.monitor import Monitor
from ucmkd.training.network import FunctionalNetwork, Network
from ucmkd.transport.divergence import transport_loss

BILEVEL = [name for name in method_names() if issubclass(method_class(name), BilevelMethod)]
TakeStep = Callable[..., Step]


def weights(toy: ToyPair, name: str, **settings: object) -> dict[str, Tensor]:
    """Weights and statistics after a whole training."""
    return toy.runner(name, settings=settings).fit().state


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one if "num_batches" not in name)


class TestKernel:
    """Acceptance check 2: what the kernel can change."""

    def test_the_released_form_does_not_depend_on_it(self, toy: ToyPair) -> None:
        kernels = ("zero", "one", "plugin", "class_mean", "ratio_clipped")
        students = [weights(toy, "ucmkd_released", kappa=kernel) for kernel in kernels]
        assert all(equal(one, other) for one, other in pairwise(students))

    @pytest.mark.parametrize("kernel", ["zero", "one", "class_mean", "ratio_clipped"])
    def test_the_published_form_does(self, kernel: str, toy: ToyPair) -> None:
        assert not equal(weights(toy, "ucmkd_paper"), weights(toy, "ucmkd_paper", kappa=kernel))


class TestReductions:
    """Acceptance check 3: what is left when parts are switched off."""

    @pytest.mark.parametrize("name", BILEVEL)
    def test_without_inner_steps_it_is_cross_entropy_to_the_last_bit(self, name: str, toy: ToyPair) -> None:
        assert equal(weights(toy, "ce"), weights(toy, name, n1=0, n2=0))

    @pytest.mark.parametrize("name", BILEVEL)
    def test_with_inner_steps_it_is_not(self, name: str, toy: ToyPair) -> None:
        assert not equal(weights(toy, "ce"), weights(toy, name))

    def test_persisting_inner_steps_make_a_difference(self, toy: ToyPair) -> None:
        assert not equal(weights(toy, "ucmkd_paper"), weights(toy, "ucmkd_alternate"))
        assert equal(
            weights(toy, "ucmkd_alternate", la_form="aligned"), weights(toy, "ucmkd_aligned", persist=True)
        )
        assert equal(
            weights(toy, "ucmkd_paper", la_form="aligned"), weights(toy, "ucmkd_aligned", persist=False)
        )


def published_la(student: Network, step: Step, head: Callable[[Tensor], Tensor]) -> Tensor:
    """Label alignment of the paper, written anew."""
    said = student(step.inputs)
    log_teacher = head(said.features).log_softmax(1)[range(len(step.labels)), step.labels]
    return F.cross_entropy(said.logits, step.labels) + (log_teacher.exp().detach() * log_teacher).mean()


def feature_cost(student: Network, step: Step) -> Tensor:
    return transport_loss(student(step.inputs).features, step.teacher.features, metric="l2").value


def descend(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def outer_step(student: Network, at: Network, step: Step) -> None:
    """Apply to the student the task gradient at adapted weights; its statistics are those of the copy."""
    at.zero_grad()
    F.cross_entropy(at(step.inputs).logits, step.labels).backward()
    for mine, theirs in zip(student.parameters(), at.parameters(), strict=True):
        mine.grad = theirs.grad
    torch.nn.utils.clip_grad_norm_(student.parameters(), STUDENT.clip_norm)
    torch.optim.SGD(student.parameters(), STUDENT.learning_rate, STUDENT.momentum,
                    weight_decay=STUDENT.weight_decay).step()  # fmt: skip
    for (_, mine), (_, theirs) in zip(student.named_buffers(), at.named_buffers(), strict=True):
        mine.copy_(theirs)


def assert_same(one: Network, other: Network) -> None:
    for name, value in one.state_dict().items():
        if "num_batches" not in name:
            torch.testing.assert_close(value, other.state_dict()[name], rtol=1e-5, atol=1e-6, msg=name)


class TestAgainstModuleCopies:
    """One step, statistics of batch normalisation included, against the algorithms written with modules."""

    @pytest.mark.parametrize("rate", [1e-5, 3e-3])
    def test_the_released_form(self, rate: float, one_step: TakeStep) -> None:
        step = one_step("ucmkd_released", inner_rate=rate)
        student, copy = deepcopy(step.before), deepcopy(step.before)
        inner = torch.optim.AdamW(copy.parameters(), lr=rate, weight_decay=0.05)
        descend(inner, feature_cost(copy, step))
        descend(inner, F.cross_entropy(copy.head(copy(step.inputs).features.detach()), step.labels))
        outer_step(student, copy, step)
        assert_same(student, step.after)

    @pytest.mark.parametrize(("n1", "n2"), [(1, 1), (2, 1), (0, 2), (1, 0)])
    def test_the_published_form(self, n1: int, n2: int, one_step: TakeStep, toy: ToyPair) -> None:
        step = one_step("ucmkd_paper", n1=n1, n2=n2)
        student, copy = deepcopy(step.before), deepcopy(step.before)
        inner = torch.optim.SGD(copy.parameters(), STUDENT.learning_rate)
        for _ in range(n1):
            descend(inner, feature_cost(copy, step))
        for _ in range(n2):
            descend(inner, published_la(copy, step, toy.bank("class_cond").head))
        outer_step(student, copy, step)
        assert_same(student, step.after)

    @pytest.mark.parametrize("la_form", ["paper", "head_only"])
    def test_the_alternating_form(self, la_form: str, one_step: TakeStep, toy: ToyPair) -> None:
        step = one_step("ucmkd_alternate", la_form=la_form, n1=0)
        student = deepcopy(step.before)
        inner = torch.optim.SGD(student.parameters(), STUDENT.learning_rate)
        if la_form == "paper":
            descend(inner, published_la(student, step, toy.bank("class_cond").head))
        else:
            descend(inner, F.cross_entropy(student.head(student(step.inputs).features.detach()), step.labels))
        outer_step(student, student, step)
        assert_same(student, step.after)

    def test_without_inner_statistics_only_the_last_pass_counts(self, one_step: TakeStep) -> None:
        step = one_step("ucmkd_released", inner_statistics=False, n1=0)
        passed = deepcopy(step.before)
        passed(step.inputs)
        for name, value in passed.named_buffers():
            torch.testing.assert_close(value, dict(step.after.named_buffers())[name], msg=name)


class TestSecondOrder:
    @pytest.mark.parametrize("kernel", [{"kappa": "one"}, {"kappa": "plugin", "la_form": "paper_live"}])
    def test_the_gradient_is_that_of_finite_differences(self, kernel: dict[str, str], toy: ToyPair) -> None:
        network = make.network().double().train()
        bank = toy.bank("class_cond")
        weight, bias = (
            torch.from_numpy(part).double() for part in (toy.said.head_weight, toy.said.head_bias)
        )
        method = load_method("ucmkd_second_order", {"n1": 0, "n2": 1, "inner_rate": 0.3} | kernel)
        exact = type(bank)(bank.features.double(), bank.logits.double(), bank.labels,
                           lambda features: F.linear(features, weight, bias))  # fmt: skip
        method.prepare(make.context(exact))
        batch = toy.batch(24, met=24)
        batch = make.batch(batch.inputs.double(), batch.labels, batch.teacher)
        function = FunctionalNetwork(network, Monitor())
        inner = Inner(function, [method])

        def task_loss(point: Parameters) -> Tensor:
            reached = inner.point(point, [batch])
            return method.losses(function.read(reached.params, reached.encoded), batch)["loss/task"]

        params = {name: value.detach().requires_grad_() for name, value in network.named_parameters()}
        gradient = torch.autograd.grad(task_loss(params), list(params.values()))
        draw = torch.Generator().manual_seed(0)
        for _ in range(3):
            way = [torch.randn(value.shape, generator=draw, dtype=torch.float64) for value in params.values()]
            slope = sum((g * d).sum() for g, d in zip(gradient, way, strict=True))
            ends = [
                task_loss({name: (value + step * d).detach().requires_grad_()
                           for (name, value), d in zip(params.items(), way, strict=True)})
                for step in (1e-6, -1e-6)
            ]  # fmt: skip
            torch.testing.assert_close(slope, (ends[0] - ends[1]) / 2e-6, rtol=1e-5, atol=1e-7)

    @pytest.mark.parametrize("values", [{"inner_optimiser": "adamw"}, {"inner_clip": 1.0}])
    def test_inner_steps_that_cannot_be_differentiated_are_refused(self, values: dict[str, object]) -> None:
        with pytest.raises(ConfigError, match=f"{next(iter(values))} is"):
            load_method("ucmkd_second_order", values)


class TestControls:
    def test_the_random_perturbation_has_the_norm_of_a_sign_step(self, toy: ToyPair) -> None:
        network = make.network()
        params = dict(network.named_parameters())
        method = load_method("ce_randpert", {"inner_rate": 1e-3})
        method.prepare(make.context(None))
        perturbed = method.perturb(params)
        moves = [perturbed[name] - value for name, value in params.items()]
        count = sum(move.numel() for move in moves)
        norm = torch.stack([move.norm() for move in moves]).norm()
        torch.testing.assert_close(norm, torch.tensor(1e-3 * count**0.5), rtol=1e-3, atol=0)
        ups = sum(int((move > 0).sum()) for move in moves)
        assert abs(ups - count / 2) < 5 * count**0.5 / 2  # five standard deviations of fair coins

    @pytest.mark.parametrize(("name", "tolerance"), [("ce_matched", 1e-6), ("ce_randpert", 1e-4)])
    def test_the_statistics_are_those_of_three_passes(
        self, name: str, tolerance: float, one_step: TakeStep
    ) -> None:
        step = one_step(name)
        for _ in range(3):
            step.before(step.inputs)
        for key, value in step.before.named_buffers():
            if "num_batches" not in key:
                mine = dict(step.after.named_buffers())[key]
                torch.testing.assert_close(mine, value, rtol=tolerance, atol=tolerance)

    @pytest.mark.parametrize("name", ["ce_matched", "ce_randpert"])
    def test_no_pass_at_all_is_refused(self, name: str) -> None:
        with pytest.raises(ConfigError, match="passes is 0"):
            load_method(name, {"passes": 0})

    def test_the_matched_control_is_cross_entropy_but_for_the_statistics(self, one_step: TakeStep) -> None:
        matched, plain = one_step("ce_matched"), one_step("ce")
        assert equal(dict(matched.after.named_parameters()), dict(plain.after.named_parameters()))
        assert not equal(dict(matched.after.named_buffers()), dict(plain.after.named_buffers()))


@pytest.mark.parametrize(
    ("name", "forwards", "backwards"),
    [
        ("ce", 1, 1),
        ("kd", 1, 1),
        ("class_mean_soft", 1, 1),
        ("feature_ot", 1, 1),
        ("ucmkd_sumall", 1, 1),
        ("ucmkd_paper", 3, 3),
        ("ucmkd_alternate", 3, 3),
        ("ucmkd_released", 2, 2),
        ("ucmkd_second_order", 3, 5),
    ],
)
def test_the_ledger_counts_passes(name: str, forwards: int, backwards: int, one_step: TakeStep) -> None:
    costs = one_step(name).costs
    assert (costs["student_forwards"], costs["student_backwards"]) == (forwards, backwards)
    assert (costs["teacher_forwards"], costs["teacher_backwards"]) == (0, 0)
    assert (costs["ot_iterations"] > 0) == ("ucmkd" in name or name == "feature_ot")
