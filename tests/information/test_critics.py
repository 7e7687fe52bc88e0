import numpy as np
import pytest
import torch

from ucmkd.information import critic
from ucmkd.information.estimates import information_between
from ucmkd.information.infonce import contrast_terms
from ucmkd.information.mine import CorrectedLoss, donsker_varadhan
from ucmkd.information.simulation import correlated


@pytest.fixture
def scores():
    return np.random.default_rng(0).standard_normal((6, 6))


def test_contrast_terms_are_the_formula(scores):
    expected = [np.log(6 * np.exp(row[i]) / np.exp(row).sum()) for i, row in enumerate(scores)]
    assert contrast_terms(scores) == pytest.approx(np.array(expected))


def test_bound_of_donsker_and_varadhan_is_the_formula(scores):
    others = [np.exp(scores[i, j]) for i in range(6) for j in range(6) if i != j]
    assert donsker_varadhan(scores, np.ones(6, int)) == pytest.approx(
        np.mean(np.diag(scores)) - np.log(np.mean(others))
    )


def test_copies_of_a_row_are_no_pair(scores):
    rows = np.array([0, 0, 1, 3, 3, 3])
    others = [np.exp(scores[i, j]) for i in rows for j in rows if i != j]
    assert donsker_varadhan(scores, np.bincount(rows, minlength=6)) == pytest.approx(
        np.mean(np.diag(scores)[rows]) - np.log(np.mean(others))
    )


def test_scores_that_overflow_are_no_problem(scores):
    shifted = donsker_varadhan(scores + 5000, np.ones(6, int))
    assert shifted == pytest.approx(donsker_varadhan(scores, np.ones(6, int)))


def test_gradient_divides_by_the_moving_average():
    loss, rng = CorrectedLoss(), np.random.default_rng(1)
    steps = [torch.tensor(rng.standard_normal((4, 4)), requires_grad=True) for _ in range(2)]
    for step in steps:
        loss(step).backward()
    apart = ~np.eye(4, dtype=bool)
    partitions = [np.exp(step.detach().numpy())[apart].mean() for step in steps]
    average = 0.9 * partitions[0] + 0.1 * partitions[1]
    expected = np.where(apart, np.exp(steps[1].detach().numpy()) / 12 / average, -1 / 4)
    assert steps[1].grad.numpy() == pytest.approx(expected)


def test_held_out_rows_do_not_train(monkeypatch):
    """Rows of the held-out half may be anything: those that train give the same critic."""
    a, b = correlated(80, 2, 0.8, np.random.default_rng(2))
    trained = []
    original = critic._train

    def note(network, parts, loss, bound):
        trained.append(sorted(float(row[0]) for part in parts for row in part[0]))
        original(network, parts, loss, bound)

    monkeypatch.setattr(critic, "_train", note)
    seen = critic.held_out_scores(
        a, b, loss=lambda s: -s.diagonal().mean(), bound=lambda s: s.mean(), name="x", seed=0
    )
    assert len(seen) == 40
    assert len(trained[0]) == len(set(trained[0])) == 40


@pytest.mark.parametrize("n", [40, 41, 83])
def test_parts_share_out_all_rows(n):
    parts = critic._parts(n, np.random.default_rng(0))
    assert sorted(np.concatenate(parts)) == list(range(n))
    assert len(parts.held_out) == n - n // 2
    assert len(parts.choose) == n // 8


@pytest.mark.parametrize("name", ["infonce", "mine"])
def test_same_seed_same_number_whatever_ran_before(name):
    a, b = correlated(60, 2, 0.8, np.random.default_rng(3))
    first = information_between(a, b, name, seed=5)
    torch.rand(3)
    assert information_between(a, b, name, seed=5) == first
    assert information_between(a, b, name, seed=6) != first


def test_training_leaves_the_random_numbers_of_others_alone():
    a, b = correlated(40, 1, 0.5, np.random.default_rng(4))
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    information_between(a, b, "mine", seed=0)
    assert torch.equal(torch.rand(2), expected)


def test_contrast_is_never_above_its_cap():
    a = np.random.default_rng(5).standard_normal((100, 3))
    said = information_between(a, a, "infonce", seed=0)
    assert said.cap == pytest.approx(np.log(50))
    assert 1.5 < said.value <= said.high <= said.cap
