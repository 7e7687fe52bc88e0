"""Helpers for tests that take single steps of a method."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from tests import toy as make
from tests.toy import ToyPair
from ucmkd.methods.base import TeacherRows
from ucmkd.training.network import Network


@dataclass
class Step:
    """A student before and after one step of a method's runner, and what the step was fed."""

    before: Network
    after: Network
    inputs: Tensor
    labels: Tensor
    teacher: TeacherRows
    costs: dict[str, float]


@pytest.fixture
def one_step(toy: ToyPair) -> Callable[..., Step]:
    """Take one step of a method, by name, on the first batch of ``class_cond``."""

    def take(name: str, **settings: Any) -> Step:
        supply = toy.supply()
        assert supply.bank is not None
        meeting = next(supply.sampler.epoch(0, 1))
        student = make.network()
        before = deepcopy(student).train()
        runner = toy.runner(name, settings=settings, student=student)
        runner.step(meeting)
        rows = torch.from_numpy(meeting.teacher)
        bank = supply.bank
        return Step(
            before,
            student,
            supply.inputs[meeting.student],
            supply.labels[torch.from_numpy(meeting.student)],
            TeacherRows(bank.features[rows], bank.logits[rows], bank.labels[rows], None),
            runner.ledger(),
        )

    return take
