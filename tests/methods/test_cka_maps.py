"""Centred kernel alignment of feature maps: its closed forms, and what does not change it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import ortho_group
from torch import Tensor

from tests.toy import ToyPair
from ucmkd.methods.base import load_method
from ucmkd.methods.cka_maps import linear_cka
from ucmkd.methods.shared.feature_maps import paired_levels

ROWS = 12


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_covariances(one: np.ndarray, other: np.ndarray) -> float:
    """The form in columns instead of rows: ||Y'X||^2 / (||X'X|| ||Y'Y||)."""
    x, y = one - one.mean(0), other - other.mean(0)
    return float((np.linalg.norm(y.T @ x) ** 2) / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)))


@pytest.mark.parametrize(("p", "q"), [(3, 5), (20, 2), (1, 1), (40, 40)])
def test_is_that_of_covariances(p: int, q: int) -> None:
    one, other = noise(ROWS, p), noise(ROWS, q, seed=1) + noise(ROWS, 1, seed=2)
    expected = by_covariances(one.numpy(), other.numpy())
    assert float(linear_cka(one, other)) == pytest.approx(expected, rel=1e-10)
    assert 0 <= expected <= 1


def test_of_one_column_is_the_squared_correlation() -> None:
    one, other = noise(ROWS, 1), noise(ROWS, 1, seed=1)
    expected = np.corrcoef(one[:, 0], other[:, 0])[0, 1] ** 2
    assert float(linear_cka(one, other)) == pytest.approx(expected, rel=1e-10)


def test_does_not_change_with_rotation_scale_and_shift() -> None:
    one, other = noise(ROWS, 6), noise(ROWS, 4, seed=1)
    rotation = torch.from_numpy(ortho_group.rvs(6, random_state=3))
    moved = -7.5 * one @ rotation + 3.0
    torch.testing.assert_close(linear_cka(moved, other), linear_cka(one, other))
    torch.testing.assert_close(linear_cka(moved, one), torch.ones((), dtype=torch.float64))
    stretched = one * torch.arange(1.0, 7.0, dtype=torch.float64)
    assert abs(float(linear_cka(stretched, other) - linear_cka(one, other))) > 1e-3


def test_rows_without_a_partner_do_not_count() -> None:
    one, other, matched = noise(ROWS, 6), noise(ROWS, 4, seed=1), torch.arange(ROWS) % 3 > 0
    found = linear_cka(torch.where(matched.unsqueeze(1), one, 99.0), other, matched)
    torch.testing.assert_close(found, linear_cka(one[matched], other[matched]))


def test_a_side_that_does_not_vary_gives_0_and_finite_gradients() -> None:
    flat = torch.ones(ROWS, 3, dtype=torch.float64, requires_grad=True)
    found = linear_cka(flat, noise(ROWS, 4))
    (gradient,) = torch.autograd.grad(found, flat)
    assert found.item() == 0.0
    assert gradient.isfinite().all()


def test_its_gradient_is_that_of_differences() -> None:
    one, other = noise(5, 3).requires_grad_(), noise(5, 4, seed=1)
    assert torch.autograd.gradcheck(lambda values: linear_cka(values, other), (one,))


class TestTheMethod:
    def test_averages_over_levels_and_places(self, pictures: ToyPair) -> None:
        method = load_method("cka_maps", {"weight": 2.0})
        said, batch = pictures.outputs(ROWS), pictures.batch(ROWS, met=ROWS)
        assert batch.teacher is not None
        levels = [
            1 - by_covariances(*(maps.detach().double().numpy().mean((2, 3)) for maps in pair))
            for pair in paired_levels(said.maps, batch.teacher.maps)
        ]
        assert len(levels) > 1
        found = method.losses(said, batch)["loss/cka"].item()
        assert found == pytest.approx(2 * np.mean(levels), rel=1e-3)

    @pytest.mark.parametrize("count", [0, 1])
    def test_fewer_than_two_rows_cannot_be_compared(self, count: int, pictures: ToyPair) -> None:
        said, batch = pictures.outputs(ROWS), pictures.batch(ROWS, met=ROWS)
        assert batch.teacher is not None
        few = replace(batch.teacher, matched=torch.arange(ROWS) < count)
        loss = load_method("cka_maps").losses(said, replace(batch, teacher=few))["loss/cka"]
        assert loss.item() == 0
        (gradient,) = torch.autograd.grad(loss, said.maps[-1], allow_unused=True)
        assert gradient is None or not gradient.any()
