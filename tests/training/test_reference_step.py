"""Our step of the released form is the step that copies modules and differentiates a library's solver."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tests.toy import STUDENT, ToyPair
from ucmkd.methods.base import TeacherBank
from ucmkd.training.network import Network
from ucmkd.training.reference_step import ReferenceStep

AS_RELEASED: dict[str, Any] = {
    "cost": "cosine", "reg": 0.1, "reg_mode": "absolute", "plan_grad": "unrolled"
}  # fmt: skip
STEPS = 4


def both(pictures: ToyPair, rate: float) -> tuple[Network, Network, Network]:
    """Give a student before some steps of a constant rate, after ours, and after the reference's."""
    before, live = pictures.network(), pictures.live("class_cond")
    rows = np.arange(len(live.inputs))
    with torch.no_grad():
        said = live.network(live.inputs[rows])
    supply = pictures.supply()
    assert supply.bank is not None
    bank = TeacherBank(said.features, said.logits, supply.bank.labels, live.network.head)
    ours, theirs = deepcopy(before), deepcopy(before)
    runner = pictures.runner("ucmkd_released", student=ours, supply=replace(supply, bank=bank),
                             settings=AS_RELEASED | {"inner_rate": rate})  # fmt: skip
    optimiser = torch.optim.SGD(theirs.parameters(), STUDENT.learning_rate, STUDENT.momentum,
                                weight_decay=STUDENT.weight_decay)  # fmt: skip
    reference = ReferenceStep(theirs, live.network, optimiser, inner_rate=rate)
    for meeting in list(supply.sampler.epoch(0, 1))[:STEPS]:
        runner.step(meeting)
        labels = supply.labels[torch.from_numpy(meeting.student)]
        reference.step(supply.inputs[meeting.student], labels, live.inputs[meeting.teacher])
    return before, ours, theirs


def difference(one: Network, other: Network) -> float:
    """Largest difference of a weight or a running statistic."""
    return max(
        float((value - other.state_dict()[name]).abs().max())
        for name, value in one.state_dict().items()
        if "num_batches" not in name
    )


@pytest.mark.parametrize("rate", [1e-5, 1e-3])
def test_steps_are_those_of_the_reference(pictures: ToyPair, rate: float) -> None:
    before, ours, theirs = both(pictures, rate)
    assert difference(before, ours) > 1e-2
    assert difference(ours, theirs) < 1e-5


def test_the_inner_steps_are_seen_in_the_outcome(pictures: ToyPair) -> None:
    (_, small, _), (_, large, _) = both(pictures, 1e-5), both(pictures, 1e-3)
    assert difference(small, large) > 1e-4
