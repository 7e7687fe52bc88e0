"""UCMKD whose inner updates are kept: alignment steps and the task step take turns on the same weights."""

from ucmkd.methods.base import Outer
from ucmkd.methods.shared.bilevel import BilevelMethod, BilevelSettings


class Method(BilevelMethod[BilevelSettings]):
    """Algorithm 1 of arXiv:2606.10504 with persisting inner steps."""

    label = "UCMKD (alternating)"
    Settings = BilevelSettings

    @property
    def outer(self) -> Outer:
        return "persist"
