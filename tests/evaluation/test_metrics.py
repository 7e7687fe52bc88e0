import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, log_loss

from ucmkd.errors import TrainingError
from ucmkd.evaluation import metrics


@pytest.fixture(params=range(5))
def predictions(request):
    draw = np.random.default_rng(request.param)
    logits = 3 * draw.normal(size=(200, 6))
    return logits, draw.integers(0, 6, 200)


def probabilities(logits):
    powers = np.exp(logits)
    return powers / powers.sum(axis=1, keepdims=True)


def test_accuracy_agrees_with_scikit_learn(predictions):
    logits, labels = predictions
    assert metrics.accuracy(logits, labels) == pytest.approx(accuracy_score(labels, logits.argmax(1)))


def test_macro_f1_agrees_with_scikit_learn(predictions):
    logits, labels = predictions
    assert metrics.macro_f1(logits, labels) == pytest.approx(
        f1_score(labels, logits.argmax(1), average="macro")
    )


def test_macro_f1_counts_classes_that_are_only_predicted_or_only_present():
    labels, predicted = np.array([0, 0, 1, 2, 2]), np.array([0, 3, 0, 2, 2])
    expected = f1_score(labels, predicted, average="macro", zero_division=0)
    assert metrics.macro_f1(np.eye(6)[predicted], labels) == pytest.approx(expected)


def test_nll_agrees_with_scikit_learn(predictions):
    logits, labels = predictions
    expected = log_loss(labels, probabilities(logits), labels=range(6))
    assert metrics.nll(logits, labels) == pytest.approx(expected)


def test_nll_of_huge_logits_is_finite():
    assert metrics.nll([[1e4, -1e4]], [1]) == pytest.approx(2e4)


def test_calibration_error_is_the_weighted_gap_of_fifteen_bins(predictions):
    logits, labels = predictions
    confidence, right = probabilities(logits).max(1), logits.argmax(1) == labels
    expected = 0.0
    for number in range(15):
        inside = (confidence > number / 15) & (confidence <= (number + 1) / 15)
        if inside.any():
            expected += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    assert metrics.expected_calibration_error(logits, labels) == pytest.approx(expected)


def test_sure_and_right_is_perfectly_calibrated():
    assert metrics.expected_calibration_error([[99.0, 0.0], [0.0, 99.0]], [0, 1]) == pytest.approx(
        0, abs=1e-12
    )


def test_sure_and_wrong_is_the_worst_calibration():
    assert metrics.expected_calibration_error([[99.0, 0.0]], [1]) == pytest.approx(1)


@pytest.mark.parametrize(
    ("confidence", "number"), [(1e-6, 0), (1 / 15, 0), (0.2, 2), (0.201, 3), (0.6, 8), (1.0, 14)]
)
def test_upper_edges_belong_to_their_bin(confidence, number):
    assert metrics.bin_of(confidence) == number


def test_reliability_bins_hold_every_sample_once(predictions):
    logits, labels = predictions
    bins = metrics.reliability(logits, labels)
    assert sum(bins["count"]) == len(labels)
    assert bins["confidence"] == sorted(bins["confidence"])
    assert len(bins["accuracy"]) == len(bins["count"]) == len(bins["confidence"])


def test_calibration_error_follows_from_the_reliability_bins(predictions):
    bins = metrics.reliability(*predictions)
    gaps = sum(
        count * abs(accuracy - confidence)
        for confidence, accuracy, count in zip(
            *(bins[name] for name in ("confidence", "accuracy", "count")), strict=True
        )
    )
    assert metrics.expected_calibration_error(*predictions) == pytest.approx(gaps / 200)


def test_score_gives_every_metric_of_the_records(predictions):
    assert list(metrics.score(*predictions)) == ["accuracy", "macro_f1", "nll", "ece"]


def test_score_refuses_an_empty_split():
    with pytest.raises(TrainingError, match="empty"):
        metrics.score(np.empty((0, 3)), np.empty(0, dtype=int))


def test_score_refuses_logits_that_are_not_finite():
    with pytest.raises(TrainingError, match="not finite"):
        metrics.score([[0.0, np.nan]], [0])
