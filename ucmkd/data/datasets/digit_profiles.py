"""Digits as two profiles: how much ink each row and each column of the handwritten image holds."""

from dataclasses import dataclass, replace

import numpy as np

from ucmkd.data import base
from ucmkd.data.base import Samples
from ucmkd.data.datasets import handwritten_digits


@dataclass(frozen=True, kw_only=True)
class Settings:
    """There is nothing to set."""


class Dataset(base.Dataset[Settings]):
    """The sums of the 8 rows, then of the 8 columns, of the images of ``handwritten_digits``, split alike."""

    modality = "tabular"
    title = "Row and column sums of handwritten digits"
    licence = handwritten_digits.Dataset.licence
    citation = handwritten_digits.Dataset.citation
    source = f"computed from {handwritten_digits.Dataset.source}"
    instances = handwritten_digits.Dataset.instances
    Settings = Settings

    def load(self) -> Samples:
        """Add up the pixels."""
        images = handwritten_digits.Dataset(handwritten_digits.Settings()).load()
        pixels = images.inputs[:, 0]
        profiles = np.concatenate([pixels.sum(axis=2), pixels.sum(axis=1)], axis=1)
        return replace(images, inputs=profiles)
