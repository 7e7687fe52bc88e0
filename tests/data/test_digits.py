"""The handwritten digits and their profiles."""

import numpy as np
from sklearn.datasets import load_digits

from tests.data.conftest import load_once


def test_images_and_labels_are_those_of_scikit_learn() -> None:
    samples, reference = load_once("handwritten_digits"), load_digits()
    np.testing.assert_array_equal(samples.inputs[:, 0], reference.images)
    np.testing.assert_array_equal(samples.labels, reference.target)
    assert samples.inputs.shape == (1797, 1, 8, 8)


def test_every_class_is_divided_sixty_fifteen_twentyfive() -> None:
    samples = load_once("handwritten_digits")
    split = np.asarray(samples.split)
    for k in range(10):
        counts = np.array(
            [((samples.labels == k) & (split == part)).sum() for part in ("train", "val", "test")]
        )
        assert (np.abs(counts - counts.sum() * np.array([0.6, 0.15, 0.25])) < 1).all()


def test_profiles_are_the_sums_of_the_images() -> None:
    profiles = load_once("digit_profiles").inputs
    for image, profile in zip(load_digits().images, profiles, strict=True):
        rows = [sum(image[i, j] for j in range(8)) for i in range(8)]
        columns = [sum(image[i, j] for i in range(8)) for j in range(8)]
        assert profile.tolist() == rows + columns


def test_a_profile_and_its_image_share_name_class_and_split() -> None:
    images, profiles = load_once("handwritten_digits"), load_once("digit_profiles")
    for column in ("ids", "pair_ids", "split", "groups"):
        assert list(getattr(profiles, column)) == list(getattr(images, column))
    np.testing.assert_array_equal(profiles.labels, images.labels)
