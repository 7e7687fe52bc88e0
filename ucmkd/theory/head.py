"""A linear classification head as probabilities of features."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Head:
    """The teacher's head.

    Attributes
    ----------
    weight, bias : array, shapes (classes, d) and (classes,)
    """

    weight: Array
    bias: Array

    def log_probabilities(self, features: Array) -> Array:
        """Give :math:`log p_T(k|z)` of features (n, d) in nats, shape (n, classes)."""
        logs: Array = log_softmax(features @ self.weight.T + self.bias, axis=1)
        return logs

    def at_temperature(self, temperature: float) -> "Head":
        """Divide the logits by a temperature."""
        return Head(self.weight / temperature, self.bias / temperature)
