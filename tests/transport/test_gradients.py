"""Both gradients of the plan against finite differences, autograd through the log domain, and each other."""

import math

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from ucmkd.transport.cost import feature_cost
from ucmkd.transport.divergence import transport_loss
from ucmkd.transport.sinkhorn import entropic_coupling, regularised_value


def random_cost(rng, *shape, scale=1.0):
    return (scale * torch.rand(*shape, generator=rng, dtype=torch.float64)).requires_grad_()


def few(cost, iterations, **options):
    return entropic_coupling(
        cost, 0.2, reg_mode="absolute", max_iter=iterations, tol=math.inf, plan_grad="unrolled", **options
    )


@pytest.mark.parametrize("iterations", [1, 2, 3, 14])
class TestUnrolled:
    def test_plan_gradient_equals_finite_differences(self, iterations, rng):
        assert gradcheck(lambda cost: few(cost, iterations).plan, random_cost(rng, 4, 3))

    def test_potential_gradient_equals_finite_differences(self, iterations, rng):
        assert gradcheck(lambda cost: few(cost, iterations).potentials, random_cost(rng, 4, 3))

    def test_weighted_and_batched(self, iterations, rng):
        a = torch.tensor([[0.1, 0.2, 0.7], [0.3, 0.3, 0.4]], dtype=torch.float64)
        b = torch.tensor([0.6, 0.4], dtype=torch.float64)
        assert gradcheck(lambda cost: few(cost, iterations, a=a, b=b).plan, random_cost(rng, 2, 3, 2))

    def test_second_derivative_equals_finite_differences(self, iterations, rng):
        def linear_part(cost):
            return (few(cost, iterations).plan * cost).sum()

        assert gradgradcheck(linear_part, random_cost(rng, 3, 3))


@pytest.mark.parametrize("scale", [1, 20, 400])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 2e-5)])
def test_unrolled_equals_autograd_through_the_log_domain_where_the_kernel_absorbs(
    scale, dtype, tolerance, rng
):
    cost = random_cost(rng, 12, 9, scale=scale)
    with torch.no_grad():
        cost[:, 0] = 0
    g = torch.zeros(1, 9, dtype=torch.float64)
    for _ in range(60):
        f = -math.log(12) - torch.logsumexp(g - cost / 0.2, 1, keepdim=True)
        g = -math.log(9) - torch.logsumexp(f - cost / 0.2, 0, keepdim=True)
    (expected,) = torch.autograd.grad(((f + g - cost / 0.2).exp() * cost.detach()).sum(), cost)
    own = cost.detach().to(dtype).requires_grad_()
    (few(own, 60).plan * own.detach()).sum().backward()
    rounding = tolerance * scale  # of the cost in units of epsilon
    assert (own.grad - expected).abs().max() < rounding * expected.abs().max()


def test_unrolled_gradient_of_the_value_approaches_the_envelope_gradient(rng):
    cost = random_cost(rng, 10, 8, scale=3)
    plan = entropic_coupling(cost, 0.2, reg_mode="absolute", tol=1e-12, max_iter=10_000).plan
    misses = []
    for iterations in (1, 4, 16, 64, 256):
        (gradient,) = torch.autograd.grad(regularised_value(cost, few(cost, iterations)), cost)
        misses.append((gradient - plan).abs().sum().item())
    assert misses == sorted(misses, reverse=True)
    assert misses[-1] < 1e-8


class TestEnvelope:
    def test_plan_and_potentials_are_constants(self, rng):
        coupling = entropic_coupling(random_cost(rng, 4, 3))
        assert not coupling.plan.requires_grad
        assert not any(potential.requires_grad for potential in coupling.potentials)

    def test_value_gradient_equals_finite_differences(self, rng):
        def value(cost):
            coupling = entropic_coupling(cost, 0.2, reg_mode="absolute", tol=1e-13, max_iter=10_000)
            return regularised_value(cost, coupling)

        assert gradcheck(value, random_cost(rng, 4, 5))

    @pytest.mark.parametrize("metric", ["l1", "l2", "cosine", "chordal", "angular"])
    def test_loss_gradient_is_that_of_the_regularised_value(self, metric, rng):
        x, y, direction = torch.randn(3, 5, 4, generator=rng, dtype=torch.float64)
        x.requires_grad_()
        options = {"metric": metric, "reg": 0.3, "reg_mode": "absolute", "tol": 1e-12, "max_iter": 10_000}
        transport_loss(x, y, **options).value.backward()

        def entropic_value(points):
            cost = feature_cost(points.detach(), y, metric)
            coupling = entropic_coupling(cost, 0.3, reg_mode="absolute", tol=1e-12, max_iter=10_000)
            return regularised_value(cost, coupling).item()

        step = 1e-5
        slope = (entropic_value(x + step * direction) - entropic_value(x - step * direction)) / (2 * step)
        assert (x.grad * direction).sum().item() == pytest.approx(slope, rel=1e-5)


@pytest.mark.parametrize("metric", ["l1", "cosine"])  # the roots in the others magnify rounding at distance 0
@pytest.mark.parametrize("debias", ["none", "sinkhorn_divergence"])
def test_unrolled_loss_gradient_equals_finite_differences(debias, metric, rng):
    x = torch.randn(4, 3, generator=rng, dtype=torch.float64, requires_grad=True)
    y = torch.randn(5, 3, generator=rng, dtype=torch.float64, requires_grad=True)

    def loss(x, y):
        return transport_loss(
            x,
            y,
            metric=metric,
            reg=0.5,
            reg_mode="absolute",
            max_iter=6,
            tol=math.inf,
            plan_grad="unrolled",
            debias=debias,
        ).value

    assert gradcheck(loss, (x, y))


@pytest.mark.parametrize("metric", ["l1", "cosine"])
def test_divergence_envelope_gradient_equals_finite_differences(metric, rng):
    x = torch.randn(4, 3, generator=rng, dtype=torch.float64, requires_grad=True)
    y = torch.randn(5, 3, generator=rng, dtype=torch.float64, requires_grad=True)

    def loss(x, y):
        return transport_loss(
            x,
            y,
            metric=metric,
            reg=0.5,
            reg_mode="absolute",
            max_iter=10_000,
            tol=1e-13,
            debias="sinkhorn_divergence",
        ).value

    assert gradcheck(loss, (x, y))


@pytest.mark.parametrize("plan_grad", ["envelope", "unrolled"])
def test_forbidden_pairs_leave_the_gradient_finite(plan_grad, rng):
    x = torch.randn(6, 3, generator=rng, requires_grad=True)
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    for debias in ("none", "sinkhorn_divergence"):
        loss = transport_loss(
            x,
            torch.randn(6, 3, generator=rng),
            label_cost=math.inf,
            labels_x=labels,
            labels_y=labels.flip(0),
            plan_grad=plan_grad,
            debias=debias,
        )
        (gradient,) = torch.autograd.grad(loss.value, x)
        assert gradient.isfinite().all()
        assert gradient.abs().sum() > 0
