import numpy as np
import pytest

from ucmkd.information.estimates import information_about_labels, label_entropy
from ucmkd.information.simulation import class_information, two_classes


def test_it_is_never_above_the_entropy():
    a, labels = two_classes(60, 2, 40.0, np.random.default_rng(0))
    said = information_about_labels(a, labels, "probe", seed=0)
    assert said.cap == label_entropy(labels) == pytest.approx(np.log(2))
    assert 0.6 < said.value <= said.high <= said.cap


def test_it_is_a_lower_bound():
    rng = np.random.default_rng(1)
    said = [information_about_labels(*two_classes(60, 3, 2.0, rng), "probe", seed=0).value for _ in range(3)]
    assert np.mean(said) < class_information(2.0)


def test_more_features_than_rows_do_not_make_it_sure_of_noise():
    rng = np.random.default_rng(2)
    said = information_about_labels(rng.standard_normal((60, 200)), np.arange(60) % 3, "probe", seed=0)
    assert said.value < 0.05


def test_names_of_classes_do_not_matter():
    a, labels = two_classes(80, 2, 2.0, np.random.default_rng(3))
    said = information_about_labels(a, labels, "probe", seed=0)
    assert information_about_labels(a, 100 - 7 * (1 - labels), "probe", seed=0) == said
