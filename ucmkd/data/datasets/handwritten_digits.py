"""Digits written by hand: the 1,797 images of 8 x 8 pixels that come with scikit-learn."""

from dataclasses import dataclass

import numpy as np

from ucmkd.data import base
from ucmkd.data.base import Samples
from ucmkd.data.splits import stratified_split

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
FRACTIONS = {"train": 0.6, "val": 0.15, "test": 0.25}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """There is nothing to set."""


class Dataset(base.Dataset[Settings]):
    """Images (1, 8, 8) of grey levels 0 to 16. Writers are not recorded, so splits may share them."""

    modality = "image"
    title = "Optical Recognition of Handwritten Digits (test part, as in scikit-learn)"
    licence = "CC BY 4.0"
    citation = "Alpaydin and Kaynak, Cascading classifiers, Kybernetika 34(4), 1998; doi 10.24432/C50P49"
    source = "sklearn.datasets.load_digits"
    instances = "handwritten_digits"
    Settings = Settings

    def load(self) -> Samples:
        """Read the images from the installed package."""
        from sklearn.datasets import load_digits

        images, labels = load_digits(return_X_y=True)
        ids = [f"image{row:04d}" for row in range(len(images))]
        return Samples(
            inputs=images.astype(np.float32).reshape(-1, 1, 8, 8),
            labels=labels.astype(np.int64),
            classes=DIGITS,
            ids=ids,
            groups=ids,
            split=stratified_split(labels, FRACTIONS),
            pair_ids=ids,
        )
