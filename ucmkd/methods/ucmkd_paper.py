"""UCMKD as the paper's Algorithm 1 states it.

Inner steps are plain gradient descent at the outer rate: on feature alignment for the encoder, then on label
alignment, kernel included, for encoder and head. The task gradient is taken at the adapted weights and
applied to the original ones.
"""

from ucmkd.methods.shared.bilevel import BilevelMethod, BilevelSettings


class Method(BilevelMethod[BilevelSettings]):
    """Tran et al., arXiv:2606.10504, Algorithm 1; n1 = n2 = 1, lambda1 = lambda2 = 1."""

    label = "UCMKD (paper)"
    Settings = BilevelSettings
