"""What every method keeps to, whichever it is: a new file in ucmkd/methods is enrolled by being there."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests import toy as make
from tests.toy import ToyPair
from ucmkd.data.regimes import ALONE, STRENGTH, find_regime, regime_names
from ucmkd.errors import ConfigError
from ucmkd.files import read_json
from ucmkd.methods.base import (
    Method,
    Outputs,
    TeacherBank,
    load_method,
    method_class,
    method_names,
    refuse_unless_provided,
)
from ucmkd.training.distill import distill
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


def equal(one: State, other: State) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def prepared(name: str, bank: TeacherBank | None, **settings: Any) -> Method[Any]:
    method = load_method(name, settings)
    method.prepare(make.context(bank if method.needs.teacher else None))
    return method


def inner_settings(name: str) -> dict[str, float]:
    """Large inner steps whatever the outer rate, for methods that take inner steps."""
    fields = {field.name for field in dataclasses.fields(method_class(name).Settings)}
    return dict.fromkeys(fields & {"inner_rate"}, 0.01)


@pytest.mark.parametrize("name", method_names())
class TestEveryMethod:
    def test_losses_are_named_finite_and_differentiable(self, name: str, toy: ToyPair) -> None:
        batch = toy.batch(24, met=24)
        logits = torch.randn(24, 4, generator=torch.manual_seed(0)).requires_grad_()
        features = torch.randn(24, make.WIDTH, generator=torch.manual_seed(1)).requires_grad_()
        losses = prepared(name, toy.bank("class_cond")).losses(Outputs(features, logits), batch)
        assert "loss/task" in losses
        assert all(key.startswith("loss/") and value.shape == () for key, value in losses.items())
        assert all(torch.isfinite(value) for value in losses.values())
        sum(losses.values()).backward()
        assert logits.grad is not None
        assert logits.grad.isfinite().all()
        assert logits.grad.abs().sum() > 0

    def test_an_unknown_setting_is_refused_by_name(self, name: str) -> None:
        with pytest.raises(ConfigError, match=rf"settings\.{name}: no setting 'weigth'"):
            load_method(name, {"weigth": 1.0})

    def test_it_is_listed_with_a_label_and_a_fallback_that_exists(self, name: str) -> None:
        cls = method_class(name)
        assert cls.label
        assert [other for other in method_names() if method_class(other).label == cls.label] == [name]
        assert cls.fallback is None or cls.fallback in method_names()

    def test_the_same_seed_gives_the_same_student_to_the_last_bit(self, name: str, toy: ToyPair) -> None:
        first, again = (toy.runner(name, seed=3).fit() for _ in range(2))
        assert equal(first.state, again.state)
        assert first.history == again.history
        assert not equal(first.state, toy.runner(name, seed=4).fit().state)

    def test_training_leaves_the_teacher_and_the_global_random_state_alone(
        self, name: str, toy: ToyPair
    ) -> None:
        supply = toy.supply()
        bank = supply.bank
        assert bank is not None
        before = [
            part.clone() for part in (bank.features, bank.logits, bank.labels, bank.head(bank.features))
        ]
        random_state = torch.get_rng_state()
        runner = toy.runner(name, supply=supply)
        runner.fit()
        after = [bank.features, bank.logits, bank.labels, bank.head(bank.features)]
        assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
        assert not any(part.requires_grad for part in after)
        assert torch.equal(random_state, torch.get_rng_state())

    def test_inner_steps_leave_the_original_weights_untouched(self, name: str, toy: ToyPair) -> None:
        network = make.network().train()
        params = {key: value.detach().clone().requires_grad_() for key, value in network.named_parameters()}
        before = {key: value.detach().clone() for key, value in params.items()}
        method = prepared(name, toy.bank("class_cond"), **inner_settings(name))
        adapted = method.adapt(FunctionalNetwork(network, Monitor()), params, toy.batch(24, met=24))
        assert equal(before, params)
        assert all(value.grad is None for value in params.values())
        assert adapted is None or not equal(before, adapted.params)

    def test_only_persisting_inner_steps_outlive_a_step_at_rate_zero(self, name: str, toy: ToyPair) -> None:
        student = make.network()
        before = {key: value.detach().clone() for key, value in student.named_parameters()}
        runner = toy.runner(name, student=student, settings=inner_settings(name))
        runner.step(next(toy.meetings()), progress=1.0)
        persists = load_method(name).outer == "persist"
        assert equal(before, dict(student.named_parameters())) != persists

    def test_the_network_stays_in_training_mode(self, name: str, toy: ToyPair) -> None:
        student = make.network()
        toy.runner(name, student=student).fit()
        assert all(module.training for module in student.modules())

    @pytest.mark.parametrize("met", [7, 40])
    def test_batches_of_different_size_can_meet(self, name: str, met: int, toy: ToyPair) -> None:
        network = make.network().train()
        params = dict(network.named_parameters())
        function, batch = FunctionalNetwork(network, Monitor()), toy.batch(24, met=met)
        method = prepared(name, toy.bank("class_cond"))
        adapted = method.adapt(function, params, batch)
        losses = method.losses(function(adapted.params if adapted else params, batch.inputs), batch)
        assert all(torch.isfinite(value) for value in losses.values())


@pytest.mark.parametrize(("name", "regime"), CELLS)
def test_a_method_trains_where_it_gets_what_it_needs_and_is_refused_elsewhere(
    name: str, regime: str, toy: ToyPair
) -> None:
    if provided(name, regime):
        refuse_unless_provided(name, method_class(name), find_regime(regime))
        fitted = toy.runner(name, regime).fit()
        assert all(value.isfinite().all() for value in fitted.state.values())
        assert {row[1] for row in fitted.history} >= {"loss/task", "val/accuracy", "val/nll"}
    else:
        with pytest.raises(ConfigError, match=rf"method '{name}' .*'{regime}'.*choose"):
            refuse_unless_provided(name, method_class(name), find_regime(regime))


@pytest.mark.parametrize("name", TAUGHT)
def test_what_the_teacher_says_reaches_the_student(
    name: str, toy: ToyPair, teachers: Path, tmp_path: Path
) -> None:
    states = {}
    for control in ("real", "shuffled", "random"):
        folder = tmp_path / control
        distill(**toy.student_job(folder, teachers, name, control=control, seeds=[0]))
        (record,) = read_json(folder / "records.json")
        assert (record["control"], record["method"]) == (control, name)
        states[control] = load_file(folder / "models" / "seed0.safetensors")
    assert not equal(states["real"], states["shuffled"])
    assert not equal(states["real"], states["random"])
