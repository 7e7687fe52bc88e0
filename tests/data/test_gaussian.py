"""Generators with known answers: the answers by simulation, by other formulas, and in the limit."""

import math
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from ucmkd.data import gaussian
from ucmkd.data.base import Samples, load_dataset, validate
from ucmkd.data.datasets import cch_gaussian, mfh_gaussian
from ucmkd.errors import ConfigError, DataError

MFH = [
    {"overlap": 0},
    {"overlap": 4},
    {"overlap": 10},
    {"teacher_only": 0},
    {"teacher_only": 20},
    {"teacher_only": 40},
]
CCH = [
    {},
    {"sigma": 2.0, "sigma_t": 1.5, "c": 2.5, "b": 0.5},
    {"sigma": 0.5, "sigma_t": 3.0, "c": -1.4, "b": 0.0},
    {"p": 1, "b": 0.0},
    {"p": 2, "b": 4.0, "sigma_t": 0.1},
]
CASES = [("mfh_gaussian", case) for case in MFH] + [("cch_gaussian", case) for case in CCH]
MODULES: dict[str, Any] = {"mfh_gaussian": mfh_gaussian, "cch_gaussian": cch_gaussian}


def load(kind: str, **settings: Any) -> Samples:
    return load_dataset(kind, settings).load()


def part(samples: Samples, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Inputs (n, columns), in double precision, and labels (n,) of a split."""
    rows = np.asarray(samples.split) == name
    return samples.inputs[rows].astype(np.float64), samples.labels[rows]


def near(share: float, expected: float, n: int) -> bool:
    """Whether a share of n draws is within four standard errors of what is expected."""
    return abs(share - expected) <= 4 * math.sqrt(max(expected * (1 - expected), 1e-12) / n)


@pytest.mark.parametrize("kind", MODULES)
@pytest.mark.parametrize("view", ["teacher", "student"])
class TestBothKinds:
    def test_defaults_are_valid_and_both_views_show_the_same_instances(self, kind, view):
        source = load_dataset(kind, {"view": view})
        samples = source.load()
        validate(samples, modality=source.modality, grouped=source.grouped, place=kind)
        assert [list(samples.split).count(name) for name in ("train", "val", "test")] == [200, 200, 1000]
        assert samples.pair_ids is not None
        other = load(kind, view="teacher" if view == "student" else "student")
        assert samples.pair_ids == other.pair_ids
        np.testing.assert_array_equal(samples.labels, other.labels)

    def test_more_samples_leave_the_others_as_they_are(self, kind, view):
        small, large = (load(kind, view=view, n_train=n) for n in (200, 300))
        np.testing.assert_array_equal(part(small, "test")[0], part(large, "test")[0])
        np.testing.assert_array_equal(part(small, "train")[0], part(large, "train")[0][:200])

    def test_classes_are_balanced(self, kind, view):
        _, labels = part(load(kind, view=view, n_test=20_000), "test")
        assert near(labels.mean(), 0.5, 20_000)

    def test_another_seed_gives_other_samples(self, kind, view):
        first, second = (load(kind, view=view, data_seed=seed).inputs for seed in (0, 1))
        assert np.mean(first == second) < 0.001

    def test_what_is_known_stands_in_the_card(self, kind, view):
        source = load_dataset(kind, {"view": view})
        accuracy = MODULES[kind].bayes_accuracy(source.settings, view)
        assert f"{100 * accuracy:.2f} %" in source.quirks[0]

    def test_splits_too_small_for_both_classes_are_refused(self, kind, view):
        source = load_dataset(kind, {"view": view, "n_val": 1})
        with pytest.raises(DataError, match="every split needs every class"):
            validate(source.load(), modality="tabular", grouped=False, place=kind)


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("mfh_gaussian", {"overlap": 4}),
        ("mfh_gaussian", {"teacher_only": 10}),
        ("mfh_gaussian", {"n_train": 100}),
        ("mfh_gaussian", {"data_seed": 1}),
        ("cch_gaussian", {"sigma": 2.0}),
        ("cch_gaussian", {"p": 5}),
        ("cch_gaussian", {"n_test": 100}),
        ("cch_gaussian", {"data_seed": 1}),
    ],
)
def test_only_views_of_the_same_experiment_are_paired(kind, change):
    teacher, student, other = (
        load_dataset(kind, values).instances
        for values in ({"view": "teacher"}, {"view": "student"}, {"view": "student", **change})
    )
    assert teacher == student != other


@pytest.mark.parametrize("view", ["teacher", "student"])
@pytest.mark.parametrize(("kind", "case"), CASES)
def test_logistic_regression_comes_near_the_bayes_accuracy_and_not_above(kind, case, view):
    n = 20_000
    samples = load(kind, view=view, n_train=n, n_test=n, **case)
    model = LogisticRegression().fit(*part(samples, "train"))
    accuracy = model.score(*part(samples, "test"))
    bayes = MODULES[kind].bayes_accuracy(load_dataset(kind, case).settings, view)
    error = 4 * math.sqrt(bayes * (1 - bayes) / n) + 1e-12
    assert accuracy <= bayes + error
    assert accuracy >= bayes - error - 0.006


@pytest.mark.parametrize("correlation", [-0.8, 0.0, 0.3, 0.95])
def test_signs_agree_as_often_as_said(correlation):
    n = 200_000
    first, other = np.random.default_rng(0).standard_normal((2, n))
    second = correlation * first + math.sqrt(1 - correlation**2) * other
    assert near(np.mean((first > 0) == (second > 0)), gaussian.sign_agreement(correlation), n)


def test_signs_agree_always_half_of_the_time_or_never():
    assert [gaussian.sign_agreement(r) for r in (1.0, 0.0, -1.0)] == pytest.approx([1.0, 0.5, 0.0])


class TestModalityFocusing:
    @pytest.mark.parametrize(
        ("case", "expected"),
        [({"overlap": o}, o / (20 - o)) for o in (0, 2, 4, 6, 8, 10)]
        + [({"teacher_only": x}, 1 - x / (x + 10)) for x in (0, 10, 25, 40)],
    )
    def test_gamma_is_that_of_the_source(self, case, expected):
        assert mfh_gaussian.gamma(mfh_gaussian.Settings(**case)) == pytest.approx(expected, abs=1e-15)

    @pytest.mark.parametrize("case", MFH)
    def test_views_share_exactly_the_overlap(self, case):
        views = [part(load("mfh_gaussian", view=view, **case), "test")[0] for view in ("teacher", "student")]
        assert [view.shape[1] for view in views] == [25 if "overlap" in case else 50, 50]
        shared = set(map(tuple, views[0].T)) & set(map(tuple, views[1].T))
        assert len(shared) == case.get("overlap", 10)

    def test_the_student_has_the_same_data_at_every_overlap(self):
        first, second = (part(load("mfh_gaussian", overlap=o), "test") for o in (0, 8))
        for one, other in zip(first, second, strict=True):
            np.testing.assert_array_equal(one, other)

    @pytest.mark.parametrize("case", MFH)
    @pytest.mark.parametrize("view", ["teacher", "student"])
    def test_bayes_accuracy_by_least_squares_and_simulation(self, case, view):
        """The best linear prediction of the decisive sum, found from data, has its sign as often as said."""
        settings = mfh_gaussian.Settings(view=view, **case)
        weights = mfh_gaussian.hyperplane(settings)
        n, draw = 50_000, np.random.default_rng(1)
        features = draw.standard_normal((n, len(weights)))
        total = features @ weights
        seen = features[:, list(mfh_gaussian.columns(settings, view))]
        guess = seen @ np.linalg.lstsq(seen[:1000], total[:1000], rcond=None)[0]
        agreement = np.mean((guess > 0) == (total > 0))
        bayes = mfh_gaussian.bayes_accuracy(settings, view)
        assert bayes - 0.01 <= agreement
        assert agreement <= bayes + 4 * math.sqrt(bayes * (1 - bayes) / n) + 1e-12

    def test_a_teacher_that_sees_all_can_be_right_always(self):
        settings = mfh_gaussian.Settings(teacher_only=40)
        assert mfh_gaussian.bayes_accuracy(settings, "teacher") == pytest.approx(1.0)
        assert mfh_gaussian.bayes_accuracy(settings, "student") < 0.8


def model(settings: cch_gaussian.Settings, n: int) -> np.ndarray:
    """Draw (x, t, y) from the model as the hypothesis states it, shape (n, p + 2)."""
    draw = np.random.default_rng(2)
    beta, gamma = cch_gaussian.weights(settings)
    x = draw.standard_normal((n, settings.p))
    covariance = [[settings.sigma**2, settings.c], [settings.c, settings.sigma_t**2]]
    epsilon, eta = draw.multivariate_normal([0, 0], covariance, size=n).T
    return np.column_stack([x, x @ gamma + eta, x @ beta + epsilon])


def exact(settings: cch_gaussian.Settings) -> np.ndarray:
    """Covariance of (x, t, y)."""
    beta, gamma = cch_gaussian.weights(settings)
    mixing = np.zeros((settings.p + 2, settings.p + 2))
    mixing[: settings.p, : settings.p] = np.eye(settings.p)
    mixing[-2, : settings.p], mixing[-1, : settings.p] = gamma, beta
    mixing[-2:, -2:] = np.eye(2)
    noise = np.zeros_like(mixing)
    noise[: settings.p, : settings.p] = np.eye(settings.p)
    noise[-2:, -2:] = [[settings.sigma_t**2, settings.c], [settings.c, settings.sigma**2]]
    return mixing @ noise @ mixing.T


def by_canonical_correlations(covariance: np.ndarray, first: list[int], second: list[int]) -> float:
    """Sum -ln(1 - r^2) / 2 over the canonical correlations of two blocks."""

    def whitener(rows: list[int]) -> np.ndarray:
        values, vectors = np.linalg.eigh(covariance[np.ix_(rows, rows)])
        return vectors @ np.diag(values**-0.5) @ vectors.T

    cross = whitener(first) @ covariance[np.ix_(first, second)] @ whitener(second)
    correlations = np.linalg.svd(cross, compute_uv=False)
    return float(-0.5 * np.log1p(-(correlations**2)).sum())


def by_determinants(covariance: np.ndarray, first: list[int], second: list[int]) -> float:
    blocks = [covariance[np.ix_(rows, rows)] for rows in (first, second, first + second)]
    one, two, both = (np.linalg.slogdet(block)[1] for block in blocks)
    return float((one + two - both) / 2)


@pytest.mark.parametrize("case", CCH)
class TestComplementarity:
    def test_teacher_weights_are_as_far_off_as_said(self, case):
        settings = cch_gaussian.Settings(**case)
        beta, gamma = cch_gaussian.weights(settings)
        assert np.linalg.norm(beta) == pytest.approx(1.0)
        assert np.sum((gamma - beta) ** 2) == pytest.approx(settings.b, abs=1e-12)

    @pytest.mark.parametrize("formula", [by_canonical_correlations, by_determinants])
    def test_information_by_other_formulas(self, case, formula):
        settings = cch_gaussian.Settings(**case)
        covariance, x = exact(settings), list(range(settings.p))
        t, y = [settings.p], [settings.p + 1]
        assert cch_gaussian.information_xy(settings) == pytest.approx(formula(covariance, x, y))
        assert cch_gaussian.information_tx(settings) == pytest.approx(formula(covariance, t, x))
        assert cch_gaussian.information_ty(settings) == pytest.approx(formula(covariance, t, y), abs=1e-12)

    def test_information_and_accuracy_by_simulation(self, case):
        settings, n = cch_gaussian.Settings(**case), 50_000
        drawn = model(settings, n)
        t, y = drawn[:, -2], drawn[:, -1]
        for seen, known in [
            (drawn[:, :-2], cch_gaussian.information_xy(settings)),
            (t[:, None], cch_gaussian.information_ty(settings)),
        ]:
            fit = seen @ np.linalg.lstsq(seen, y, rcond=None)[0]
            unexplained = np.mean((y - fit) ** 2) / np.mean(y**2)
            # The standard error of ln(1 - r^2) is 2 r / sqrt(n), that of the information r / sqrt(n).
            assert -math.log(unexplained) / 2 == pytest.approx(known, abs=4 / math.sqrt(n))
        sign = np.sign(np.mean(t * y))
        accuracy = cch_gaussian.bayes_accuracy(settings, "teacher")
        assert near(np.mean((sign * t > 0) == (y > 0)), accuracy, n)

    def test_stored_views_have_the_covariance_of_the_model(self, case):
        n = 5_000
        settings = cch_gaussian.Settings(**case)
        x, _ = part(load("cch_gaussian", view="student", n_test=n, **case), "test")
        t, labels = part(load("cch_gaussian", view="teacher", n_test=n, **case), "test")
        seen, known = np.column_stack([x, t]), exact(settings)[:-1, :-1]
        spread = np.sqrt((np.outer(np.diag(known), np.diag(known)) + known**2) / n)
        assert np.all(np.abs(seen.T @ seen / n - known) <= 5 * spread)
        assert labels.shape == (n,)


@pytest.mark.parametrize(
    ("case", "complementary", "helps"),
    [
        ({"sigma": 1.0, "sigma_t": 0.5, "b": 0.02}, True, True),
        ({"sigma": 1.0, "sigma_t": math.sqrt(2), "b": 0.02}, False, True),
        ({"sigma": 1.0, "sigma_t": 2.0, "c": 1.5, "b": 0.02}, False, False),
        ({"sigma": 1.0, "sigma_t": 1.0, "c": 1.0, "b": 0.0}, False, False),
    ],
)
def test_the_condition_is_sufficient_but_not_necessary(case, complementary, helps):
    """Sufficient where t varies as y does; the second case is the counterexample to its necessity."""
    settings = cch_gaussian.Settings(**case)
    assert cch_gaussian.cch_holds(settings) == complementary
    assert cch_gaussian.small_weight_helps(settings) == helps


@pytest.mark.parametrize("c", [-0.5, 0.0, 0.4, 1.8])
def test_a_small_weight_changes_the_risk_of_least_squares_as_said(c):
    settings = cch_gaussian.Settings(p=5, sigma=1.0, sigma_t=2.0, c=c, b=0.02)
    runs, n, share = 4000, 30, 0.02
    beta, _ = cch_gaussian.weights(settings)
    drawn = model(settings, runs * n).reshape(runs, n, -1)
    x, t, y = drawn[..., :-2], drawn[..., -2:-1], drawn[..., -1:]
    risks = [
        (((np.linalg.pinv(x) @ target)[..., 0] - beta) ** 2).sum(axis=1)
        for target in (y, (1 - share) * y + share * t)
    ]
    gain = risks[0] - risks[1]
    error = gain.std() / math.sqrt(runs)
    assert abs(gain.mean()) > 3 * error
    assert (gain.mean() > 0) == cch_gaussian.small_weight_helps(settings)


@given(
    sigma=st.floats(0.01, 5),
    sigma_t=st.floats(0.01, 5),
    correlation=st.floats(-1, 1),
    b=st.floats(0, 5),
)
def test_information_obeys_its_inequalities(sigma, sigma_t, correlation, b):
    settings = cch_gaussian.Settings(sigma=sigma, sigma_t=sigma_t, c=correlation * sigma * sigma_t, b=b)
    known = [f(settings) for f in (cch_gaussian.information_xy, cch_gaussian.information_tx,
                                   cch_gaussian.information_ty)]  # fmt: skip
    assert all(value >= 0 for value in known)
    if correlation == 0:
        assert known[2] <= min(known[0], known[1]) + 1e-9
    for view in ("teacher", "student"):
        assert 0.5 <= cch_gaussian.bayes_accuracy(settings, view) <= 1


def test_without_noise_information_is_infinite_and_a_view_decides_all():
    settings = cch_gaussian.Settings(sigma=0.0, sigma_t=0.0, b=0.0)
    assert cch_gaussian.information_xy(settings) == math.inf
    assert cch_gaussian.information_tx(settings) == math.inf
    assert cch_gaussian.bayes_accuracy(settings, "student") == 1.0
    assert not cch_gaussian.cch_holds(settings)


@pytest.mark.parametrize(("sigma", "sigma_t"), list(product([0.7, 0.1, 1.3], repeat=2)))
def test_the_largest_covariance_is_allowed(sigma, sigma_t):
    covariance = sigma * sigma_t
    for c in (covariance, -covariance, float(f"{covariance:.12f}")):
        assert cch_gaussian.Settings(sigma=sigma, sigma_t=sigma_t, c=c).c == c


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        ("mfh_gaussian", {"overlap": 3}, "overlap is 3; it must be one of 0, 2, 4, 6, 8, 10"),
        ("mfh_gaussian", {"overlap": 12}, "overlap is 12"),
        ("mfh_gaussian", {"overlap": -2}, "overlap is -2"),
        ("mfh_gaussian", {"teacher_only": 41}, "teacher_only is 41; it must be 0 to 40"),
        ("mfh_gaussian", {"teacher_only": -1}, "teacher_only is -1"),
        ("mfh_gaussian", {"teacher_only": 10, "overlap": 4}, "leave out one of them"),
        ("mfh_gaussian", {"view": "both"}, "'both' is not one of teacher, student"),
        ("mfh_gaussian", {"n_val": 0}, "n_val is 0; it must be at least 1"),
        ("cch_gaussian", {"n_test": -5}, "n_test is -5"),
        ("cch_gaussian", {"sigma": -1.0}, "sigma is -1.0; it must be a number of at least 0"),
        ("cch_gaussian", {"sigma_t": -0.1}, "sigma_t is -0.1"),
        ("cch_gaussian", {"sigma": "inf"}, "sigma is inf"),
        ("cch_gaussian", {"b": -0.1}, "b is -0.1"),
        ("cch_gaussian", {"c": 0.6}, "a covariance of -0.5 to 0.5"),
        ("cch_gaussian", {"c": -0.6}, "a covariance of -0.5 to 0.5"),
        ("cch_gaussian", {"p": 0}, "p is 0; it must be at least 1"),
        ("cch_gaussian", {"p": 1}, "at least 2 where b is not 0"),
    ],
)
def test_impossible_settings_are_refused(kind, values, message):
    with pytest.raises(ConfigError, match=rf"datasets\.{kind}.*{message}"):
        load_dataset(kind, values)
