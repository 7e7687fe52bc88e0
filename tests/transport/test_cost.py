"""Costs against SciPy, and their behaviour where distances have kinks."""

import math
import weakref

import pytest
import torch
from scipy.spatial.distance import cdist

from ucmkd.errors import TransportError
from ucmkd.transport import arrays
from ucmkd.transport.cost import feature_cost, with_label_cost

METRICS = ["l1", "l2", "cosine", "chordal", "angular"]


def scipy_cost(x, y, metric):
    x, y = x.numpy(), y.numpy()
    if metric in ("l1", "l2"):
        return torch.from_numpy(cdist(x, y, {"l1": "cityblock", "l2": "euclidean"}[metric]))
    cosine = torch.from_numpy(cdist(x, y, "cosine"))
    return {"cosine": cosine, "chordal": (2 * cosine).sqrt(), "angular": torch.acos(1 - cosine)}[metric]


@pytest.mark.parametrize("metric", METRICS)
class TestEveryMetric:
    def test_agrees_with_scipy(self, metric, rng):
        x = torch.randn(7, 5, generator=rng, dtype=torch.float64)
        y = torch.randn(4, 5, generator=rng, dtype=torch.float64)
        torch.testing.assert_close(feature_cost(x, y, metric), scipy_cost(x, y, metric))

    def test_leading_dimensions_are_separate_problems(self, metric, rng):
        x, y = torch.randn(2, 3, 6, 5, generator=rng), torch.randn(2, 3, 4, 5, generator=rng)
        expected = torch.stack(
            [torch.stack([feature_cost(x[i, j], y[i, j], metric) for j in range(3)]) for i in range(2)]
        )
        torch.testing.assert_close(feature_cost(x, y, metric), expected)

    def test_gradient_equals_finite_differences(self, metric, rng):
        x = torch.randn(3, 4, generator=rng, dtype=torch.float64, requires_grad=True)
        y = torch.randn(2, 4, generator=rng, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(lambda x, y: feature_cost(x, y, metric), (x, y))

    def test_second_derivative_equals_finite_differences(self, metric, rng):
        x = torch.randn(3, 4, generator=rng, dtype=torch.float64, requires_grad=True)
        y = torch.randn(2, 4, generator=rng, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradgradcheck(lambda x, y: feature_cost(x, y, metric), (x, y))

    def test_leading_dimensions_broadcast(self, metric, rng):
        x = torch.randn(3, 6, 5, generator=rng, dtype=torch.float64, requires_grad=True)
        y = torch.randn(4, 5, generator=rng, dtype=torch.float64, requires_grad=True)
        broadcast = feature_cost(x, y, metric)
        repeated = feature_cost(x, y.repeat(3, 1, 1), metric)
        torch.testing.assert_close(broadcast, repeated)
        ours, expected = (torch.autograd.grad(cost.square().sum(), (x, y)) for cost in (broadcast, repeated))
        torch.testing.assert_close(ours, expected)

    def test_equal_opposite_and_zero_vectors_give_finite_gradients(self, metric, rng):
        point = torch.randn(1, 4, generator=rng)
        x = torch.cat([point, -point, torch.zeros(1, 4)]).requires_grad_()
        y = torch.cat([point, point, torch.zeros(1, 4), 3 * point]).requires_grad_()
        cost = feature_cost(x, y, metric)
        first = torch.autograd.grad(cost.square().sum() + cost.sum(), (x, y), create_graph=True)
        second = torch.autograd.grad(sum(gradient.square().sum() for gradient in first), (x, y))
        assert (cost >= 0).all()
        assert all(gradient.isfinite().all() for gradient in first + second)

    def test_rounding_never_makes_it_negative(self, metric, rng):
        x = torch.randn(50, 512, generator=rng)
        assert feature_cost(x, x, metric).min() >= 0

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_half_precision_is_computed_in_float32(self, metric, dtype, rng):
        x, y = torch.randn(5, 8, generator=rng).to(dtype), torch.randn(6, 8, generator=rng).to(dtype)
        expected = feature_cost(x.float(), y.float(), metric)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            cost = feature_cost(x, y, metric)
        assert cost.dtype == torch.float32
        torch.testing.assert_close(cost, expected)

    def test_a_missing_number_is_not_hidden(self, metric):
        x = torch.ones(2, 3)
        x[0, 0] = math.nan
        assert feature_cost(x, torch.ones(2, 3), metric)[0].isnan().all()


def test_a_common_offset_costs_no_digits(rng):
    x, y = torch.randn(40, 16, generator=rng), torch.randn(40, 16, generator=rng)
    expected = scipy_cost(x.double() + 1000, y.double() + 1000, "l2").float()
    torch.testing.assert_close(feature_cost(x + 1000, y + 1000, "l2"), expected, rtol=1e-3, atol=0)


def test_equal_points_are_at_distance_zero_without_gradient():
    x = torch.ones(1, 3, requires_grad=True)
    cost = feature_cost(x, torch.ones(1, 3), "l2")
    cost.backward()
    assert cost.item() == 0
    assert x.grad.eq(0).all()


def test_tensors_give_the_distances_and_gradients_of_numpy_arrays(rng, monkeypatch):
    x, y = torch.randn(2, 9, 5, generator=rng), torch.randn(2, 7, 5, generator=rng)
    y[:, 0] = x[:, 0]
    results = []
    for _ in range(2):
        points = x.clone().requires_grad_(), y.clone().requires_grad_()
        cost = feature_cost(*points, "l2")
        results.append((cost.detach(), *torch.autograd.grad(cost.square().sum(), points)))
        monkeypatch.setattr(arrays, "NUMPY_ENTRIES", 0)  # as for matrices too large for NumPy
    torch.testing.assert_close(*results)


@pytest.mark.parametrize("entries", [0, 100])
def test_distances_are_freed_with_their_last_name(entries, monkeypatch):
    monkeypatch.setattr(arrays, "NUMPY_ENTRIES", entries)
    cost = feature_cost(torch.ones(4, 3, requires_grad=True), torch.zeros(5, 3), "l2")
    held = weakref.ref(cost)
    del cost
    assert held() is None


def test_a_zero_vector_is_orthogonal_to_everything():
    x, y = torch.zeros(1, 2), torch.tensor([[0.0, 3.0], [0.0, 0.0]])
    for metric, expected in {"cosine": 1, "chordal": math.sqrt(2), "angular": math.pi / 2}.items():
        torch.testing.assert_close(feature_cost(x, y, metric), torch.full((1, 2), float(expected)))


def test_an_unknown_metric_is_refused_with_the_known_ones():
    with pytest.raises(TransportError, match=r"'l3' is unknown; known: l1, l2"):
        feature_cost(torch.ones(2, 2), torch.ones(2, 2), "l3")


def test_different_widths_are_refused():
    with pytest.raises(TransportError, match="widths 2 and 3"):
        feature_cost(torch.ones(4, 2), torch.ones(4, 3), "l2")


@pytest.mark.parametrize("weight", [2.5, math.inf])
def test_label_cost_is_added_where_labels_differ(weight):
    cost = with_label_cost(torch.ones(2, 3), torch.tensor([0, 1]), torch.tensor([0, 1, 2]), weight)
    expected = torch.tensor([[1, 1 + weight, 1 + weight], [1 + weight, 1, 1 + weight]])
    assert torch.equal(cost, expected)


def test_hidden_labels_differ_from_none():
    cost = with_label_cost(torch.zeros(2, 2), torch.tensor([-1, 1]), torch.tensor([0, -1]), 1.0)
    assert torch.equal(cost, torch.tensor([[0.0, 0.0], [1.0, 0.0]]))
