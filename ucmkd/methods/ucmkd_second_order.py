"""UCMKD with a meta-gradient: the task loss is differentiated through the inner updates.

What the inner losses hold constant stays constant: the kernel (but in ``la_form: paper_live``), and the
transport plan unless ``plan_grad`` is ``unrolled``.
"""

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
        if self.inner_clip > 0:
            raise ValueError(f"inner_clip is {self.inner_clip}; a gradient through the inner updates needs 0")


class Method(BilevelMethod[Settings]):
    """Algorithm 1 of arXiv:2606.10504 without its first-order approximation."""

    label = "UCMKD (second order)"
    Settings = Settings

    @property
    def outer(self) -> Outer:
        return "second_order"
