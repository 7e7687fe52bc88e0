"""Divergences between softened predictions against SciPy and torch, and their properties."""

from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import jensenshannon
from scipy.special import rel_entr, softmax
from torch import Tensor
from torch.nn import functional as F

from ucmkd.errors import ConfigError
from ucmkd.methods.base import load_method
from ucmkd.methods.shared.divergences import Kind, divergence

KINDS = get_args(Kind)
SOFTENED = [kind for kind in KINDS if kind != "mse_logit"]
LOGITS = arrays(np.float64, (2, 3, 4), elements=st.floats(-8, 8))


def pair_of_logits() -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    student, teacher = 2 * torch.randn(2, 10, 5, generator=draw, dtype=torch.float64)
    return student, teacher


def by_definition(
    kind: str, student: Tensor, teacher: Tensor, temperature: float, mixing: float
) -> np.ndarray:
    """The same with NumPy and SciPy."""
    q, p = (softmax(logits.numpy() / temperature, axis=1) for logits in (student, teacher))
    m = mixing * p + (1 - mixing) * q
    return {
        "forward": rel_entr(p, q).sum(1),
        "reverse": rel_entr(q, p).sum(1),
        "jsd": mixing * rel_entr(p, m).sum(1) + (1 - mixing) * rel_entr(q, m).sum(1),
        "tvd": np.abs(p - q).sum(1) / 2,
        "skew": rel_entr(p, m).sum(1),
        "mse_logit": ((student - teacher).numpy() ** 2).mean(1),
    }[kind]


@pytest.mark.parametrize("kind", KINDS)
class TestEveryKind:
    @pytest.mark.parametrize(("temperature", "mixing"), [(1.0, 0.5), (4.0, 0.1), (0.5, 0.9)])
    def test_it_is_what_its_definition_says(self, kind: Kind, temperature: float, mixing: float) -> None:
        student, teacher = pair_of_logits()
        rows = divergence(kind, student, teacher, temperature=temperature, mixing=mixing)
        np.testing.assert_allclose(
            rows, by_definition(kind, student, teacher, temperature, mixing), rtol=1e-10
        )

    @settings(max_examples=25, deadline=None)
    @given(logits=LOGITS)
    def test_it_is_never_negative_and_0_between_equals(self, kind: Kind, logits: np.ndarray) -> None:
        student, teacher = torch.from_numpy(logits)
        assert (divergence(kind, student, teacher) >= -1e-12).all()
        np.testing.assert_allclose(divergence(kind, student, student), 0, atol=1e-12)

    def test_its_gradient_is_that_of_finite_differences(self, kind: Kind) -> None:
        student, teacher = pair_of_logits()
        student.requires_grad_()
        assert torch.autograd.gradcheck(
            lambda logits: divergence(kind, logits, teacher, temperature=2.0, mixing=0.3), student
        )

    @pytest.mark.parametrize("size", [1e2, 1e4])
    def test_extreme_logits_stay_finite_in_single_precision(self, kind: Kind, size: float) -> None:
        student = size * torch.eye(4).requires_grad_()
        rows = divergence(kind, student, size * torch.eye(4).roll(1, 0), mixing=0.1)
        assert rows.isfinite().all()
        assert torch.autograd.grad(rows.sum(), student)[0].isfinite().all()


@pytest.mark.parametrize("kind", SOFTENED)
@pytest.mark.parametrize("shift", [-3.0, 20.0])
def test_a_constant_added_to_the_logits_of_a_row_changes_nothing(kind: Kind, shift: float) -> None:
    student, teacher = pair_of_logits()
    moved = divergence(kind, student + shift, teacher - shift)
    torch.testing.assert_close(moved, divergence(kind, student, teacher))


class TestAgainstOthers:
    def test_forward_is_the_kl_divergence_of_torch(self) -> None:
        student, teacher = pair_of_logits()
        logs = [logits.log_softmax(1) for logits in (student, teacher)]
        expected = F.kl_div(*logs, log_target=True, reduction="none").sum(1)
        torch.testing.assert_close(divergence("forward", student, teacher), expected)

    def test_an_even_jsd_is_the_squared_distance_of_scipy(self) -> None:
        student, teacher = pair_of_logits()
        expected = jensenshannon(teacher.softmax(1).numpy(), student.softmax(1).numpy(), axis=1) ** 2
        np.testing.assert_allclose(divergence("jsd", student, teacher), expected)

    def test_reverse_is_forward_with_the_roles_exchanged(self) -> None:
        student, teacher = pair_of_logits()
        torch.testing.assert_close(
            divergence("reverse", student, teacher), divergence("forward", teacher, student)
        )

    def test_skew_without_mixing_is_forward(self) -> None:
        student, teacher = pair_of_logits()
        torch.testing.assert_close(
            divergence("skew", student, teacher, mixing=0.0), divergence("forward", student, teacher)
        )


@pytest.mark.parametrize("value", [{"mixing": 1.5}, {"mixing": -0.1}, {"weight": 2.0}, {"temperature": 0.0}])
def test_impossible_settings_are_refused(value: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(value))):
        load_method("kd", value)
