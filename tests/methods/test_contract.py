"""What every method keeps to, whichever it is: a new file in ucmkd/methods is enrolled by being there."""

import dataclasses
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.toy import ToyPair
from ucmkd.data.regimes import ALONE, STRENGTH, find_regime, regime_names
from ucmkd.errors import ConfigError
from ucmkd.files import read_json
from ucmkd.methods.base import (
    Batch,
    Method,
    load_method,
    method_class,
    method_names,
    refuse_unless_provided,
)
from ucmkd.training.distill import distill
from ucmkd.training.inner import Inner
from ucmkd.training.monitor import Monitor
from ucmkd.training.network import FunctionalNetwork

State = dict[str, torch.Tensor]
TAUGHT = [name for name in method_names() if method_class(name).needs.teacher]


def provided(name: str, regime: str) -> bool:
    """What the declared needs say, without the code that refuses."""
    cls, rule = method_class(name), find_regime(regime)
    if regime == ALONE:
        return not cls.needs.teacher
    told_apart = STRENGTH[rule.correspondence] >= STRENGTH[cls.needs.correspondence]
    return (told_apart or cls.fallback is not None) and not (
        cls.needs.student_labels and rule.labels == "few"
    )


CELLS = [(name, regime) for name in method_names() for regime in (ALONE, *regime_names())]


def home(name: str) -> str:
    """A regime in which a method gets what it needs."""
    return "paired" if method_class(name).needs.correspondence == "instance" else "class_cond"


def equal(one: State, other: State) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def prepared(name: str, pair: ToyPair, **settings: Any) -> Method[Any]:
    """Give a method that has looked at the pair, with its auxiliary modules in training mode."""
    method = load_method(name, settings)
    auxiliary = method.prepare(pair.context(method))
    if auxiliary is not None:
        auxiliary.train()
    return method


def given(method: Method[Any], batch: Batch) -> Batch:
    """Mark all rows as corresponding for methods that need it and do not do without."""
    if batch.teacher is None or method.needs.correspondence == "none" or method.fallback is not None:
        return batch
    matched = torch.ones(len(batch.labels), dtype=torch.bool)
    return replace(batch, teacher=replace(batch.teacher, labels=batch.labels, matched=matched))


@pytest.fixture
def pair(name: str, toy: ToyPair, pictures: ToyPair) -> ToyPair:
    """The toy pair that a method can be run on."""
    needs = method_class(name).needs
    return pictures if needs.student_maps or "maps" in needs.teacher else toy


def inner_settings(name: str) -> dict[str, float]:
    """Large inner steps whatever the outer rate, for methods that take inner steps."""
    fields = {field.name for field in dataclasses.fields(method_class(name).Settings)}
    return dict.fromkeys(fields & {"inner_rate"}, 0.01)


@pytest.mark.parametrize("name", method_names())
class TestEveryMethod:
    def test_losses_are_named_finite_and_differentiable(self, name: str, pair: ToyPair) -> None:
        method = prepared(name, pair)
        said = pair.outputs(24)
        losses = method.losses(said, given(method, pair.batch(24, met=24)))
        assert "loss/task" in losses
        assert all(key.startswith("loss/") and value.shape == () for key, value in losses.items())
        assert all(torch.isfinite(value) for value in losses.values())
        (gradient,) = torch.autograd.grad(sum(losses.values()), said.logits)
        assert gradient.isfinite().all()
        assert gradient.abs().sum() > 0

    def test_an_unknown_setting_is_refused_by_name(self, name: str) -> None:
        with pytest.raises(ConfigError, match=rf"settings\.{name}: no setting 'weigth'"):
            load_method(name, {"weigth": 1.0})

    def test_it_is_listed_with_a_label_and_a_fallback_that_exists(self, name: str) -> None:
        cls = method_class(name)
        assert cls.label
        assert [other for other in method_names() if method_class(other).label == cls.label] == [name]
        assert cls.fallback is None or cls.fallback in method_names()

    def test_the_same_seed_gives_the_same_student_to_the_last_bit(self, name: str, pair: ToyPair) -> None:
        regime = home(name)
        first, again = (pair.runner(name, regime, seed=3).fit() for _ in range(2))
        assert equal(first.state, again.state)
        assert first.history == again.history
        assert not equal(first.state, pair.runner(name, regime, seed=4).fit().state)

    def test_training_leaves_the_teacher_and_the_global_random_state_alone(
        self, name: str, pair: ToyPair
    ) -> None:
        needs = method_class(name).needs.teacher
        supply = pair.supply(home(name), needs=needs or frozenset({"logits"}))
        bank = supply.bank
        assert bank is not None
        before = [
            part.clone() for part in (bank.features, bank.logits, bank.labels, bank.head(bank.features))
        ]
        random_state = torch.get_rng_state()
        runner = pair.runner(name, home(name), supply=supply)
        runner.fit()
        after = [bank.features, bank.logits, bank.labels, bank.head(bank.features)]
        assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
        assert not any(part.requires_grad for part in after)
        assert torch.equal(random_state, torch.get_rng_state())

    def test_only_inner_steps_that_persist_touch_the_original_weights(self, name: str, pair: ToyPair) -> None:
        network = pair.network().train()
        params = {key: value.detach().clone().requires_grad_() for key, value in network.named_parameters()}
        before = {key: value.detach().clone() for key, value in params.items()}
        method = prepared(name, pair, **inner_settings(name))
        batch = given(method, pair.batch(24, met=24))
        point = Inner(FunctionalNetwork(network, Monitor()), [method]).point(params, [batch])
        assert equal(before, params) != (method.outer == "persist")
        assert all(value.grad is None for value in params.values())
        assert (point.params is params) == equal(before, point.params)

    def test_only_persisting_inner_steps_outlive_a_step_at_rate_zero(self, name: str, pair: ToyPair) -> None:
        student = pair.network()
        before = {key: value.detach().clone() for key, value in student.named_parameters()}
        runner = pair.runner(name, home(name), student=student, settings=inner_settings(name))
        runner.step(next(pair.meetings(home(name))), progress=1.0)
        persists = load_method(name).outer == "persist"
        assert equal(before, dict(student.named_parameters())) != persists

    def test_the_network_stays_in_training_mode(self, name: str, pair: ToyPair) -> None:
        student = pair.network()
        pair.runner(name, home(name), student=student).fit()
        assert all(module.training for module in student.modules())

    @pytest.mark.parametrize("met", [7, 40])
    def test_batches_of_different_size_can_meet(self, name: str, met: int, pair: ToyPair) -> None:
        method = prepared(name, pair)
        if method.needs.correspondence != "none" and method.fallback is None:
            pytest.skip("its rows correspond, so there are as many on either side")
        network = pair.network().train()
        params = dict(network.named_parameters())
        function = FunctionalNetwork(network, Monitor(), with_maps=method.needs.student_maps)
        batch = pair.batch(24, met=met)
        point = Inner(function, [method]).point(params, [batch])
        losses = method.losses(function.read(point.params, point.encoded), batch)
        assert all(torch.isfinite(value) for value in losses.values())


@pytest.mark.parametrize(("name", "regime"), CELLS)
def test_a_method_trains_where_it_gets_what_it_needs_and_is_refused_elsewhere(
    name: str, regime: str, pair: ToyPair
) -> None:
    if provided(name, regime):
        refuse_unless_provided(name, method_class(name), find_regime(regime))
        fitted = pair.runner(name, regime).fit()
        assert all(value.isfinite().all() for value in fitted.state.values())
        assert {row[1] for row in fitted.history} >= {"loss/task", "val/accuracy", "val/nll"}
    else:
        with pytest.raises(ConfigError, match=rf"method '{name}' .*'{regime}'.*choose"):
            refuse_unless_provided(name, method_class(name), find_regime(regime))


@pytest.mark.parametrize("name", TAUGHT)
def test_what_the_teacher_says_reaches_the_student(
    name: str, pair: ToyPair, teachers: Path, picture_teachers: Path, tmp_path: Path
) -> None:
    states, regime = {}, home(name)
    folder_of_teachers = teachers if pair.encoder == "mlp" else picture_teachers
    reads_a_network = method_class(name).needs.teacher != {"inputs"}
    for control in ("real", "shuffled", "random"):
        folder = tmp_path / control
        distill(**pair.student_job(folder, folder_of_teachers, name, regime, control=control, seeds=[0]))
        (record,) = read_json(folder / "records.json")
        assert (record["control"], record["method"]) == (control, name)
        states[control] = load_file(folder / "models" / "seed0.safetensors")
    assert not equal(states["real"], states["shuffled"])
    assert equal(states["real"], states["random"]) != reads_a_network
