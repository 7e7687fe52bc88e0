"""A training in which no later epoch is as good as the first."""

from itertools import count

import pytest

from ucmkd.training import selection


@pytest.fixture
def first_epoch_is_best(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the validation accuracy fall from 0.9 on, whatever the network says."""
    calls = count()
    monkeypatch.setattr(
        selection, "score", lambda logits, labels: {"accuracy": 0.9 - 0.01 * next(calls), "nll": 1.0}
    )
