"""The transport loss: what it is zero for, what it does not depend on, and what it refuses."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ucmkd.errors import TransportError
from ucmkd.transport.cost import feature_cost
from ucmkd.transport.divergence import transport_loss
from ucmkd.transport.sinkhorn import entropic_coupling, regularised_value

METRICS = ["l1", "l2", "cosine", "chordal", "angular"]
DEBIASED = {"debias": "sinkhorn_divergence"}


def test_plain_value_is_the_linear_part_of_the_plan(rng):
    x, y = torch.randn(8, 3, generator=rng), torch.randn(6, 3, generator=rng)
    cost = feature_cost(x, y, "l2")
    coupling = entropic_coupling(cost, 0.05)
    loss = transport_loss(x, y)
    torch.testing.assert_close(loss.value, (coupling.plan * cost).sum())
    assert loss.iterations == coupling.iterations
    assert loss.sharpness == coupling.sharpness


def test_debiased_value_follows_its_definition_at_one_epsilon(rng):
    x = torch.randn(8, 3, generator=rng, dtype=torch.float64)
    y = torch.randn(6, 3, generator=rng, dtype=torch.float64)
    epsilon = 0.3 * feature_cost(x, y, "l2").median().item()

    def entropic(p, q):
        cost = feature_cost(p, q, "l2")
        coupling = entropic_coupling(cost, epsilon, reg_mode="absolute", tol=1e-9, max_iter=100_000)
        return regularised_value(cost, coupling)

    expected = entropic(x, y) - entropic(x, x) / 2 - entropic(y, y) / 2
    torch.testing.assert_close(
        transport_loss(x, y, reg=0.3, tol=1e-9, max_iter=100_000, **DEBIASED).value, expected
    )


@pytest.mark.parametrize("metric", METRICS)
class TestDebiased:
    def test_is_zero_for_identical_batches_in_any_order(self, metric, rng):
        x = torch.randn(12, 4, generator=rng)
        shuffled = x[torch.randperm(12, generator=rng)]
        for y in (x, shuffled, torch.cat([x, x])):
            assert transport_loss(x, y, metric=metric, **DEBIASED).value.item() == pytest.approx(0, abs=1e-4)

    def test_gradient_vanishes_at_identical_batches(self, metric, rng):
        x = torch.randn(10, 4, generator=rng, dtype=torch.float64)
        moved = x.clone().requires_grad_()
        loss = transport_loss(moved, x, metric=metric, reg=0.2, tol=1e-9, max_iter=100_000, **DEBIASED)
        loss.value.backward()
        assert moved.grad.abs().max() < 1e-6

    def test_is_positive_and_symmetric_for_different_batches(self, metric, rng):
        x = torch.randn(9, 4, generator=rng, dtype=torch.float64)
        y = torch.randn(7, 4, generator=rng, dtype=torch.float64) + 1
        options = {"metric": metric, "reg": 0.2, "tol": 1e-9, "max_iter": 100_000, **DEBIASED}
        there, back = transport_loss(x, y, **options).value, transport_loss(y, x, **options).value
        assert there > 1e-3
        torch.testing.assert_close(there, back)

    @settings(max_examples=10, deadline=None)
    @given(n=st.integers(1, 9), m=st.integers(1, 9), reg=st.floats(0.02, 5), seed=st.integers(0, 2**16))
    def test_is_never_negative(self, metric, n, m, reg, seed):
        rng = torch.Generator().manual_seed(seed)
        x, y = torch.randn(n, 3, generator=rng), torch.randn(m, 3, generator=rng)
        loss = transport_loss(x, y, metric=metric, reg=reg, max_iter=50_000, **DEBIASED)
        assert loss.value > -1e-4


def test_counts_the_iterations_of_all_three_couplings(rng):
    x, y = torch.randn(2, 8, 3, generator=rng)
    loss = transport_loss(x, y, max_iter=20, tol=math.inf, **DEBIASED)
    assert loss.iterations == 60


def test_plain_value_of_identical_batches_is_not_zero(rng):
    x = torch.randn(12, 4, generator=rng)
    assert transport_loss(x, x, reg=0.5).value > 0.1


@pytest.mark.parametrize("options", [{}, DEBIASED, {"plan_grad": "unrolled"}])
class TestEveryLoss:
    def test_ignores_the_order_of_both_batches(self, options, rng):
        x = torch.randn(9, 4, generator=rng, dtype=torch.float64)
        y = torch.randn(7, 4, generator=rng, dtype=torch.float64)
        rows, columns = torch.randperm(9, generator=rng), torch.randperm(7, generator=rng)
        torch.testing.assert_close(
            transport_loss(x[rows], y[columns], **options).value, transport_loss(x, y, **options).value
        )

    def test_single_points_cost_their_distance(self, options):
        x, y = torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0]])
        assert transport_loss(x, y, **options).value.item() == pytest.approx(5)

    def test_collapsed_batches_are_at_no_distance(self, options):
        x = torch.zeros(5, 3, requires_grad=True)
        loss = transport_loss(x, torch.zeros(4, 3), **options)
        loss.value.backward()
        assert loss.value.item() == pytest.approx(0, abs=1e-6)
        assert x.grad.eq(0).all()

    def test_leading_dimensions_are_separate_problems(self, options, rng):
        x = torch.randn(3, 6, 4, generator=rng, dtype=torch.float64)
        y = torch.randn(3, 5, 4, generator=rng, dtype=torch.float64)
        options = {**options, "max_iter": 30, "tol": math.inf}
        together = transport_loss(x, y, **options)
        alone = [transport_loss(p, q, **options) for p, q in zip(x, y, strict=True)]
        torch.testing.assert_close(together.value, torch.stack([loss.value for loss in alone]))
        torch.testing.assert_close(together.sharpness, torch.stack([loss.sharpness for loss in alone]).mean())

    def test_sharpness_carries_no_gradient(self, options, rng):
        x = torch.randn(5, 3, generator=rng, requires_grad=True)
        loss = transport_loss(x, torch.randn(5, 3, generator=rng), **options)
        assert loss.value.requires_grad
        assert not loss.sharpness.requires_grad
        assert isinstance(loss.iterations, int)

    def test_missing_numbers_are_refused(self, options):
        x = torch.ones(4, 3)
        x[2, 1] = math.nan
        with pytest.raises(TransportError, match="numbers from 0 up"):
            transport_loss(x, torch.ones(4, 3), **options)


class TestLabelCost:
    def test_forbidding_other_classes_sums_the_classes(self, rng):
        x, y = torch.randn(2, 6, 3, generator=rng, dtype=torch.float64)
        labels = torch.tensor([0, 0, 0, 1, 1, 1])
        options = {"reg": 0.2, "reg_mode": "absolute", "tol": 1e-10, "max_iter": 10_000}
        loss = transport_loss(x, y, label_cost=math.inf, labels_x=labels, labels_y=labels, **options)
        halves = [transport_loss(x[part], y[part], **options).value for part in (slice(3), slice(3, 6))]
        torch.testing.assert_close(loss.value, (halves[0] + halves[1]) / 2)

    def test_a_finite_weight_is_paid_by_those_who_must_change_class(self):
        x, y = torch.zeros(4, 2), torch.zeros(4, 2)
        labels_x, labels_y = torch.tensor([0, 0, 0, 1]), torch.tensor([0, 1, 1, 1])
        loss = transport_loss(x, y, label_cost=2.0, labels_x=labels_x, labels_y=labels_y, reg=0.01)
        assert loss.value.item() == pytest.approx(2 * 2 / 4, abs=1e-3)

    def test_debiased_value_is_zero_for_identical_labelled_batches(self, rng):
        x, labels = torch.randn(6, 3, generator=rng), torch.tensor([0, 0, 1, 1, 2, 2])
        for weight in (1.0, math.inf):
            loss = transport_loss(x, x, label_cost=weight, labels_x=labels, labels_y=labels, **DEBIASED)
            assert loss.value.item() == pytest.approx(0, abs=1e-5)

    def test_needs_labels(self):
        with pytest.raises(TransportError, match="needs the labels of both batches"):
            transport_loss(torch.ones(2, 2), torch.ones(2, 2), label_cost=1.0, labels_x=torch.tensor([0, 1]))
