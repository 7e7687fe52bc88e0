"""How weights rise that mean little before the student has learned something."""

import math

STEEPNESS = 10.0


def ramp(progress: float) -> float:
    """Rise from 0 to nearly 1, most of it in the first third of training.

    References
    ----------
    Ganin et al., "Domain-adversarial training of neural networks", JMLR 2016, section 5.2.2.
    """
    return 2 / (1 + math.exp(-STEEPNESS * progress)) - 1
