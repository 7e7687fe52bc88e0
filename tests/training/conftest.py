"""A training in which no later epoch is as good as the first."""

from itertools import count

import pytest

from ucmkd.training import runner


@pytest.fixture
def first_epoch_is_best(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the runner's validation accuracy fall from 0.9 on, whatever the network says."""
    calls = count()
    monkeypatch.setattr(
        runner, "score", lambda logits, labels: {"accuracy": 0.9 - 0.01 * next(calls), "nll": 1.0}
    )
