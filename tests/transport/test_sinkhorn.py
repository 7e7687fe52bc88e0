"""Couplings against POT, closed forms, and the conditions under which there is none."""

import math

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ucmkd.errors import TransportError
from ucmkd.transport import arrays, scaling, sinkhorn
from ucmkd.transport import cost as cost_module
from ucmkd.transport.cost import feature_cost, with_label_cost
from ucmkd.transport.divergence import transport_loss
from ucmkd.transport.sinkhorn import entropic_coupling, regularised_value, self_coupling

EXACT = {"tol": 1e-12, "max_iter": 100_000}


def random_cost(rng, *shape, dtype=torch.float64):
    return torch.rand(*shape, generator=rng, dtype=dtype)


def random_weights(rng, *shape):
    weights = 0.1 + torch.rand(*shape, generator=rng, dtype=torch.float64)
    return weights / weights.sum(-1, keepdim=True)


def uniform(n):
    return np.full(n, 1 / n)


def log_domain(cost, epsilon, iterations):
    """Cuturi's iterations as they are written, for uniform weights."""
    n, m = cost.shape
    g = torch.zeros(1, m, dtype=cost.dtype)
    for _ in range(iterations):
        f = -math.log(n) - torch.logsumexp(g - cost / epsilon, 1, keepdim=True)
        g = -math.log(m) - torch.logsumexp(f - cost / epsilon, 0, keepdim=True)
    return (f + g - cost / epsilon).exp()


class TestAgainstPot:
    @pytest.mark.parametrize("shape", [(12, 12), (7, 13), (1, 5), (5, 1), (1, 1)])
    def test_plan_equals_the_log_domain_solver(self, shape, rng):
        cost, a, b = random_cost(rng, *shape), random_weights(rng, shape[0]), random_weights(rng, shape[1])
        plan = entropic_coupling(cost, 0.05, reg_mode="absolute", a=a, b=b, **EXACT).plan
        expected = ot.sinkhorn(a, b, cost, 0.05, method="sinkhorn_log", stopThr=1e-13, numItermax=100_000)
        torch.testing.assert_close(plan, expected)

    def test_value_equals_pot_up_to_the_entropy_of_the_weights(self, rng):
        cost, a, b = random_cost(rng, 9, 6), random_weights(rng, 9), random_weights(rng, 6)
        coupling = entropic_coupling(cost, 0.1, reg_mode="absolute", a=a, b=b, **EXACT)
        plan = ot.sinkhorn(a, b, cost, 0.1, method="sinkhorn_log", stopThr=1e-13, numItermax=100_000)
        divergence = (plan * (plan / (a[:, None] * b)).log()).sum()
        torch.testing.assert_close(
            regularised_value(cost, coupling, a, b), (plan * cost).sum() + 0.1 * divergence
        )

    @pytest.mark.parametrize("reg", [0.1, 0.01, 0.001])
    def test_linear_part_is_within_the_entropy_bound_of_exact_transport(self, reg, rng):
        cost = random_cost(rng, 15, 20)
        plan = entropic_coupling(cost, reg, reg_mode="absolute", tol=1e-9, max_iter=100_000).plan
        exact = ot.emd2(uniform(15), uniform(20), cost.numpy())
        assert exact - 1e-8 <= (plan * cost).sum().item() <= exact + reg * math.log(15)


class TestAgainstClosedForms:
    def test_sorted_matching_in_one_dimension(self, rng):
        x, y = torch.randn(2, 30, 1, generator=rng, dtype=torch.float64)
        cost = feature_cost(x, y, "l1")
        plan = entropic_coupling(cost, 1e-3, reg_mode="absolute", tol=1e-4, max_iter=100_000).plan
        exact = (x.sort(0).values - y.sort(0).values).abs().mean().item()
        assert (plan * cost).sum().item() == pytest.approx(exact, abs=1e-3 * math.log(30) + 1e-3)

    def test_a_translation_costs_its_length(self, rng):
        x = torch.randn(20, 3, generator=rng, dtype=torch.float64)
        cost = feature_cost(x, x + torch.tensor([2.0, 0.0, 1.0], dtype=torch.float64), "l2")
        plan = entropic_coupling(cost, 0.01, reg_mode="absolute", max_iter=100_000).plan
        assert (plan * cost).sum().item() == pytest.approx(math.sqrt(5), abs=0.01 * math.log(20))

    def test_gaussians_of_different_scale(self):
        quantiles = torch.special.ndtri((torch.arange(200, dtype=torch.float64) + 0.5) / 200)[:, None]
        cost = feature_cost(quantiles, 2 * quantiles, "l2")
        plan = entropic_coupling(cost, 2e-3, reg_mode="absolute", max_iter=100_000).plan
        wasserstein = math.sqrt(2 / math.pi)  # the mean of |2z - z|
        assert (plan * cost).sum().item() == pytest.approx(wasserstein, abs=2e-3 * math.log(200) + 5e-3)

    @pytest.mark.parametrize(("mean", "spread"), [(0.0, 1.0), (1.5, 0.7)])
    def test_entropic_value_between_gaussians(self, mean, spread):
        """Janati et al., "Entropic optimal transport between unbalanced Gaussian measures", 2020."""
        grid = torch.linspace(-7, 7, 150, dtype=torch.float64)
        a = torch.softmax(-(grid**2) / 2, 0)
        b = torch.softmax(-(((grid - mean) / spread) ** 2) / 2, 0)
        cost = (grid[:, None] - grid) ** 2
        coupling = entropic_coupling(cost, 1.0, reg_mode="absolute", a=a, b=b, **EXACT)
        s2 = 0.5  # epsilon is twice this
        d = math.sqrt(4 * spread**2 + s2**2)
        expected = mean**2 + 1 + spread**2 - d + s2 * (1 - math.log(2 * s2)) + s2 * math.log(d + s2)
        assert regularised_value(cost, coupling, a, b).item() == pytest.approx(expected, abs=1e-6)


class TestIterations:
    @pytest.mark.parametrize("scale", [1, 30, 1000, 30_000])
    @pytest.mark.parametrize("iterations", [1, 2, 3, 11, 40])
    def test_absorbing_changes_nothing(self, scale, iterations, rng):
        cost = scale * random_cost(rng, 20, 15) ** 3
        cost[:, 0] = 0  # every row wants the same column, so potentials go far
        expected = log_domain(cost, 1.0, iterations)
        options = {"reg_mode": "absolute", "max_iter": iterations, "tol": math.inf}
        coupling = entropic_coupling(cost, 1.0, **options)
        assert coupling.iterations == iterations
        torch.testing.assert_close(coupling.plan, expected)
        single = entropic_coupling(cost.float(), 1.0, **options).plan
        assert (single - expected).abs().sum() < 2e-7 * max(scale, 10)

    def test_stops_as_soon_as_the_marginals_hold(self, rng):
        cost = random_cost(rng, 30, 30)
        counts = [entropic_coupling(cost, 0.02, tol=tol).iterations for tol in (1e-1, 1e-2, 1e-3)]
        assert counts == sorted(set(counts))

    @pytest.mark.parametrize("spread", [0.0, 0.001, 0.1])
    def test_well_separated_classes_in_unequal_shares_converge(self, spread, rng):
        """Two of 64 points must change class, which takes alternating updates 2,000 iterations and more."""
        centres = torch.randn(2, 16, generator=rng)
        x, y = (
            centres[(torch.arange(64) < share).long()] + spread * torch.randn(64, 16, generator=rng)
            for share in (31, 33)
        )
        cost = feature_cost(x, y, "l2")
        coupling = entropic_coupling(cost)
        distance = (centres[0] - centres[1]).norm()
        moved = (coupling.plan * (cost > distance / 2)).sum().item()
        assert moved == pytest.approx(2 / 64, abs=2e-3)
        assert coupling.iterations < 1000

    def test_coarser_problems_lead_to_the_same_plan(self, rng):
        cost, a, b = random_cost(rng, 15, 15), random_weights(rng, 15), random_weights(rng, 15)
        coupling = entropic_coupling(cost, 0.02, reg_mode="absolute", a=a, b=b, **EXACT)
        expected = ot.sinkhorn(a, b, cost, 0.02, method="sinkhorn_log", stopThr=1e-13, numItermax=100_000)
        assert coupling.iterations > scaling.PATIENCE
        torch.testing.assert_close(coupling.plan, expected, rtol=0, atol=1e-9)

    def test_potentials_reproduce_the_plan(self, rng):
        cost = 3 + random_cost(rng, 6, 4)
        coupling = entropic_coupling(cost)
        f, g = coupling.potentials
        plan = ((f[:, None] + g - cost) / coupling.epsilon).exp() / 24
        torch.testing.assert_close(coupling.plan, plan)


class TestProperties:
    @settings(max_examples=40, deadline=None)
    @given(
        n=st.integers(1, 12),
        m=st.integers(1, 12),
        log_scale=st.floats(-20, 20),
        reg=st.floats(0.02, 10),
        seed=st.integers(0, 2**16),
    )
    def test_marginals_hold_at_every_scale_in_float32(self, n, m, log_scale, reg, seed):
        rng = torch.Generator().manual_seed(seed)
        cost = math.exp(log_scale) * random_cost(rng, n, m, dtype=torch.float32)
        coupling = entropic_coupling(cost, reg, max_iter=50_000)
        assert coupling.plan.dtype == torch.float32
        assert (coupling.plan >= 0).all()
        assert (coupling.plan.sum(1) - 1 / n).abs().sum() < 1e-3 + 1e-6
        assert (coupling.plan.sum(0) - 1 / m).abs().sum() < 1e-3 + 1e-6
        assert -1e-5 < coupling.sharpness < 1

    @settings(max_examples=20, deadline=None)
    @given(n=st.integers(2, 12), m=st.integers(2, 12), seed=st.integers(0, 2**16))
    def test_permuting_points_permutes_the_plan(self, n, m, seed):
        rng = torch.Generator().manual_seed(seed)
        cost = random_cost(rng, n, m)
        rows, columns = torch.randperm(n, generator=rng), torch.randperm(m, generator=rng)
        plan = entropic_coupling(cost).plan
        torch.testing.assert_close(entropic_coupling(cost[rows][:, columns]).plan, plan[rows][:, columns])

    @settings(max_examples=20, deadline=None)
    @given(scale=st.floats(1e-6, 1e6), seed=st.integers(0, 2**16))
    def test_relative_regularisation_ignores_the_unit_of_the_cost(self, scale, seed):
        cost = random_cost(torch.Generator().manual_seed(seed), 6, 9)
        torch.testing.assert_close(entropic_coupling(scale * cost).plan, entropic_coupling(cost).plan)

    def test_weights_are_the_marginals(self, rng):
        a, b = random_weights(rng, 5), random_weights(rng, 8)
        plan = entropic_coupling(random_cost(rng, 5, 8), a=a, b=b, **EXACT).plan
        torch.testing.assert_close(plan.sum(1), a)
        torch.testing.assert_close(plan.sum(0), b)

    def test_batched_problems_are_solved_as_if_alone(self, rng):
        cost = random_cost(rng, 2, 3, 7, 5) * torch.tensor([1.0, 10.0, 100.0])[:, None, None]
        a, b = random_weights(rng, 2, 3, 7), random_weights(rng, 5)
        together = entropic_coupling(cost, a=a, b=b, **EXACT)
        values = regularised_value(cost, together, a, b)
        assert together.sharpness.shape == together.epsilon.shape == values.shape == (2, 3)
        for i in range(2):
            for j in range(3):
                alone = entropic_coupling(cost[i, j], a=a[i, j], b=b, **EXACT)
                torch.testing.assert_close(together.plan[i, j], alone.plan)
                torch.testing.assert_close(together.sharpness[i, j], alone.sharpness)
                torch.testing.assert_close(together.epsilon[i, j], alone.epsilon)
                torch.testing.assert_close(values[i, j], regularised_value(cost[i, j], alone, a[i, j], b))

    def test_autocast_does_not_reach_the_solver(self, rng):
        cost = random_cost(rng, 16, 16, dtype=torch.float32)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            coupling = entropic_coupling(cost)
        assert torch.equal(coupling.plan, entropic_coupling(cost).plan)

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_half_precision_costs_are_raised_to_float32(self, dtype, rng):
        cost = random_cost(rng, 16, 16).to(dtype)
        assert torch.equal(entropic_coupling(cost).plan, entropic_coupling(cost.float()).plan)


class TestSelfCoupling:
    def test_equals_the_general_solver(self, rng):
        x, a = torch.randn(2, 9, 3, generator=rng, dtype=torch.float64), random_weights(rng, 2, 9)
        cost = feature_cost(x, x, "l2")
        own = self_coupling(cost, 0.2, a=a, tol=1e-9)
        general = entropic_coupling(cost, 0.2, a=a, b=a, tol=1e-9, max_iter=100_000)
        torch.testing.assert_close(own.plan, general.plan, rtol=0, atol=1e-9)
        torch.testing.assert_close(regularised_value(cost, own, a, a), regularised_value(cost, general, a, a))
        torch.testing.assert_close(own.plan, own.plan.mT)
        assert own.iterations < general.iterations / 10

    def test_non_convergence_is_refused(self, rng):
        x = torch.randn(9, 3, generator=rng)
        with pytest.raises(TransportError, match="after 2 iterations"):
            self_coupling(feature_cost(x, x, "l2"), 1.0, max_iter=2)

    def test_fixed_iterations_are_all_made(self, rng):
        x = torch.randn(9, 3, generator=rng)
        assert self_coupling(feature_cost(x, x, "l2"), max_iter=23, tol=math.inf).iterations == 23


class TestSharpnessAndEpsilon:
    def test_independent_coupling_has_sharpness_zero(self, rng):
        assert entropic_coupling(random_cost(rng, 6, 9), 1e6).sharpness.item() == pytest.approx(0, abs=1e-6)

    def test_a_matching_has_sharpness_one_half(self):
        assert entropic_coupling(1 - torch.eye(8), 0.01).sharpness.item() == pytest.approx(0.5, abs=1e-6)

    def test_relative_epsilon_is_a_share_of_the_median_finite_cost(self):
        cost = torch.arange(25.0).reshape(5, 5)
        assert entropic_coupling(cost, 0.5).epsilon.item() == 6
        cost.fill_diagonal_(math.inf)
        finite = cost[cost.isfinite()].sort().values
        assert finite[9] <= 2 * entropic_coupling(cost, 0.5).epsilon.item() <= finite[10]

    def test_absolute_epsilon_is_taken_as_it_is(self, rng):
        assert entropic_coupling(random_cost(rng, 4, 4), 0.3, reg_mode="absolute").epsilon.item() == 0.3

    def test_mostly_or_wholly_free_transport_is_still_regularised(self):
        cost = torch.zeros(4, 4)
        torch.testing.assert_close(entropic_coupling(cost).plan, torch.full((4, 4), 1 / 16))
        cost[0, 0] = 1600
        assert entropic_coupling(cost, 0.5).epsilon.item() == 0.5  # of a hundredth of the mean


class TestUnderflow:
    """Random non-negative features of width 512, absolute reg 0.1: exp(-cost / reg) is 0 in float32."""

    @pytest.mark.parametrize(("metric", "scale"), [("l2", 1.0), ("l1", 0.1), ("l1", 1.0)])
    def test_no_mass_is_lost_where_the_plain_kernel_vanishes(self, metric, scale, rng):
        x, y = scale * torch.randn(2, 64, 512, generator=rng).abs()
        cost = feature_cost(x, y, metric)
        assert (-cost / 0.1).exp().max() == 0
        plan = entropic_coupling(cost, 0.1, reg_mode="absolute").plan
        assert plan.sum().item() == pytest.approx(1, abs=1e-5)
        value = (plan * cost).sum().item()
        exact = ot.emd2(uniform(64), uniform(64), cost.double().numpy())
        assert exact - 1e-3 * cost.max() <= value <= exact + 0.1 * math.log(64) + 1e-3 * cost.max()
        assert value < cost.mean()


class TestForbiddenPairs:
    def test_each_class_is_transported_on_its_own(self, rng):
        cost = random_cost(rng, 6, 9)
        labels_x, labels_y = torch.tensor([0, 0, 1, 1, 1, 1]), torch.tensor([0, 0, 0, 1, 1, 1, 1, 1, 1])
        plan = entropic_coupling(
            with_label_cost(cost, labels_x, labels_y, math.inf), 0.1, reg_mode="absolute", **EXACT
        ).plan
        assert plan[labels_x[:, None] != labels_y].eq(0).all()
        for rows, columns, share in ((slice(2), slice(3), 1 / 3), (slice(2, 6), slice(3, 9), 2 / 3)):
            alone = entropic_coupling(cost[rows, columns], 0.1, reg_mode="absolute", **EXACT).plan
            torch.testing.assert_close(plan[rows, columns], share * alone)

    def test_unequal_class_shares_are_refused(self, rng):
        labels_x, labels_y = torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1])
        cost = with_label_cost(random_cost(rng, 3, 3), labels_x, labels_y, math.inf)
        with pytest.raises(TransportError, match="equal class shares"):
            entropic_coupling(cost)

    @pytest.mark.parametrize("index", [(0, slice(None)), (slice(None), 2)])
    def test_a_point_that_can_go_nowhere_is_refused(self, index, rng):
        cost = random_cost(rng, 3, 3)
        cost[index] = math.inf
        with pytest.raises(TransportError, match="no finite cost"):
            entropic_coupling(cost)


class TestRefusals:
    def test_non_convergence_names_violation_iterations_epsilon_and_remedy(self, rng):
        with pytest.raises(TransportError, match=r"misses .* after 7 iterations with epsilon .*; raise reg"):
            entropic_coupling(100 * random_cost(rng, 9, 9), 0.01, reg_mode="absolute", max_iter=7)

    def test_non_convergence_of_one_problem_in_a_batch_is_enough(self, rng):
        cost = torch.stack([torch.ones(9, 9), 100 * random_cost(rng, 9, 9).float()])
        with pytest.raises(TransportError, match="misses its marginals"):
            entropic_coupling(cost, 0.01, reg_mode="absolute", max_iter=50)

    @pytest.mark.parametrize("bad", [math.nan, -1e-6, -math.inf])
    def test_costs_that_are_not_costs(self, bad, rng):
        cost = random_cost(rng, 4, 4)
        cost[1, 2] = bad
        with pytest.raises(TransportError, match="numbers from 0 up"):
            entropic_coupling(cost)

    @pytest.mark.parametrize("reg", [0.0, -1.0, math.nan, math.inf])
    @pytest.mark.parametrize("reg_mode", ["absolute", "relative"])
    def test_regularisation_that_is_none(self, reg, reg_mode, rng):
        with pytest.raises(TransportError, match="reg must be"):
            entropic_coupling(random_cost(rng, 4, 4), reg, reg_mode=reg_mode)

    @pytest.mark.parametrize("weights", [[0.5, 0.5, 0.0], [0.5, 0.5, 0.5], [0.5, math.nan, 0.5]])
    def test_weights_that_are_not_a_distribution(self, weights, rng):
        with pytest.raises(TransportError, match="weights must be positive"):
            entropic_coupling(random_cost(rng, 3, 4), a=torch.tensor(weights))

    def test_as_many_weights_as_points(self, rng):
        with pytest.raises(TransportError, match="2 weights for 4 points"):
            entropic_coupling(random_cost(rng, 3, 4), b=torch.tensor([0.5, 0.5]))

    def test_an_empty_batch(self):
        with pytest.raises(TransportError, match="empty"):
            entropic_coupling(torch.zeros(0, 3))


@pytest.mark.parametrize("plan_grad", ["envelope", "unrolled"])
@pytest.mark.parametrize("scale", [1, 1000])
def test_tensors_are_iterated_like_numpy_arrays(scale, plan_grad, rng, monkeypatch):
    costs = scale * random_cost(rng, 2, 9, 7) ** 3
    results = []
    for _ in range(2):
        cost = costs.clone().requires_grad_()
        coupling = entropic_coupling(cost, 0.02, tol=1e-2, max_iter=10_000, plan_grad=plan_grad)
        (coupling.plan * cost).sum().backward()
        results.append((coupling.plan.detach(), cost.grad, coupling.iterations))
        monkeypatch.setattr(arrays, "NUMPY_ENTRIES", 0)  # as for matrices too large for NumPy
    torch.testing.assert_close(*results)


@pytest.mark.parametrize("plan_grad", ["envelope", "unrolled"])
def test_tensors_are_coupled_with_themselves_like_numpy_arrays(plan_grad, rng, monkeypatch):
    x = torch.randn(2, 9, 4, generator=rng, dtype=torch.float64)
    results = []
    for _ in range(2):
        cost = feature_cost(x, x, "l2").requires_grad_()
        coupling = self_coupling(cost, plan_grad=plan_grad)
        regularised_value(cost, coupling).sum().backward()
        results.append((coupling.plan.detach(), cost.grad, coupling.iterations))
        monkeypatch.setattr(arrays, "NUMPY_ENTRIES", 0)
    torch.testing.assert_close(*results)


@pytest.mark.parametrize("iterations", [2, 3, 5, 12, 30])
@pytest.mark.parametrize("largest", [39.0, 41.0])
def test_iterations_are_the_same_whether_they_start_in_the_log_domain_or_not(largest, iterations, rng):
    cost = largest * random_cost(rng, 2, 9, 7)
    cost[:, :, 0], cost[:, 0, 1] = 0, largest  # which is then the largest of a row that begins at 0
    coupling = entropic_coupling(cost, 1.0, reg_mode="absolute", max_iter=iterations, tol=math.inf)
    assert coupling.iterations == iterations
    for own, found in zip(cost, coupling.plan, strict=True):
        torch.testing.assert_close(found, log_domain(own, 1.0, iterations))


@pytest.mark.parametrize("scale", [1, 1000])
def test_small_problems_are_solved_by_tensors_alike(scale, rng, monkeypatch):
    x, y = scale * torch.rand(2, 9, 4, generator=rng) ** 3, scale * torch.rand(2, 7, 4, generator=rng)
    results = []
    for _ in range(2):
        points = x.clone().requires_grad_(), y.clone().requires_grad_()
        own = transport_loss(*points, metric="l2", reg=0.02, debias="sinkhorn_divergence", max_iter=10_000)
        gradients = torch.autograd.grad(own.value.sum(), points)
        with torch.no_grad():
            apart = transport_loss(x, y, metric="angular", max_iter=10_000)
        results.append((own.value, *gradients, own.sharpness, apart.value, own.iterations, apart.iterations))
        for part in (cost_module, scaling, sinkhorn):
            monkeypatch.setattr(part, "native", lambda x, entries: x.detach())  # as on a GPU
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-4)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("plan_grad", ["envelope", "unrolled"])
def test_a_gpu_gives_the_same_plan_and_gradient(dtype, plan_grad, rng):
    costs = 40 * random_cost(rng, 2, 9, 7, dtype=dtype)
    results = []
    for device in ("cpu", "cuda"):
        cost = costs.to(device).requires_grad_()
        plan = entropic_coupling(cost, 0.02, max_iter=60, tol=math.inf, plan_grad=plan_grad).plan
        (plan * cost).sum().backward()
        results.append((plan.detach().cpu(), cost.grad.cpu()))
    torch.testing.assert_close(*results)
