"""UCMKD with the full meta-gradient: the task loss is differentiated through the inner updates."""

from dataclasses import dataclass

from ucmkd.methods.base import Outer
from ucmkd.methods.shared.bilevel import BilevelMethod, BilevelSettings


@dataclass(frozen=True, kw_only=True)
class Settings(BilevelSettings):
    """As in Algorithm 1; the inner optimiser must be differentiable."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.inner_optimiser != "sgd":
            raise ValueError("inner_optimiser is adamw; a gradient through the inner updates needs sgd")


class Method(BilevelMethod[Settings]):
    """Algorithm 1 of arXiv:2606.10504 without its first-order approximation."""

    label = "UCMKD (second order)"
    Settings = Settings

    @property
    def outer(self) -> Outer:
        return "second_order"
