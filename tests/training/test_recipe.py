"""Schedules and evaluation epochs of a recipe."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ucmkd.errors import ConfigError
from ucmkd.settings import build
from ucmkd.training.recipe import Recipe


@given(epochs=st.integers(1, 400), evaluations=st.integers(1, 400))
def test_evaluations_are_evenly_spread_and_end_with_the_last_epoch(epochs: int, evaluations: int) -> None:
    at = Recipe(epochs=epochs, evaluations=evaluations).evaluation_epochs()
    gaps = [after - before for before, after in zip([0, *at], at, strict=False)]
    assert len(at) == min(epochs, evaluations)
    assert at[-1] == epochs
    assert min(gaps) >= 1
    assert max(gaps) - min(gaps) <= 1


@given(progress=st.floats(0, 1), later=st.floats(0, 1))
def test_a_cosine_falls_from_the_full_rate_to_0(progress: float, later: float) -> None:
    recipe = Recipe(learning_rate=0.3)
    assert (recipe.rate(0), recipe.rate(1)) == (0.3, 0)
    assert 0 <= recipe.rate(progress) <= 0.3
    assert (recipe.rate(progress) >= recipe.rate(later)) or progress > later
    assert recipe.rate(progress) + recipe.rate(1 - progress) == pytest.approx(0.3)


@given(progress=st.floats(0, 1))
def test_a_constant_rate_is_constant(progress: float) -> None:
    assert Recipe(schedule="constant", learning_rate=0.3).rate(progress) == 0.3


def test_what_is_none_stays() -> None:
    changed = Recipe(clip_norm=3.0).changed(clip_norm=None, label_smoothing=0.2)
    assert (changed.clip_norm, changed.label_smoothing) == (3.0, 0.2)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("optimiser", "lion"), ("learning_rate", 0.0), ("learning_rate", "inf"), ("weight_decay", -1.0),
        ("momentum", -0.1), ("schedule", "step"), ("epochs", 0), ("epochs", 1.5), ("batch_size", 1),
        ("clip_norm", -1.0), ("label_smoothing", 1.0), ("noise", -1.0), ("evaluations", 0),
        ("precision", "float16"), ("warmup", 3),
    ],
)  # fmt: skip
def test_an_impossible_value_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=rf"training\.student.*{name}"):
        build(Recipe, {name: value}, "training.student")
