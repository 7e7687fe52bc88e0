"""UCMKD with the sign of label alignment turned: both heads are to agree on student features.

The published loss lowers the teacher head's probability of the true class on student features. This form
keeps its gate and raises that probability instead.
"""

from dataclasses import dataclass

from ucmkd.methods.base import Outer
from ucmkd.methods.shared.bilevel import BilevelMethod, BilevelSettings
from ucmkd.methods.shared.label_alignment import Form


@dataclass(frozen=True, kw_only=True)
class Settings(BilevelSettings):
    """``persist``: whether inner updates are kept."""

    la_form: Form = "aligned"
    persist: bool = True


class Method(BilevelMethod[Settings]):
    """Our variant: ``aligned`` or ``kd_gate`` label alignment, kept by default."""

    label = "UCMKD (aligned)"
    Settings = Settings

    @property
    def outer(self) -> Outer:
        return "persist" if self.settings.persist else "first_order"
