"""UCMKD as the authors' code computes it.

The inner optimiser is a fresh AdamW in every batch, whose first step is a sign: the size of the alignment
loss and its weights do not matter. The label step sees detached features and moves the head alone, so the
kernel changes no weight. What remains is a small look-ahead before a cross-entropy gradient; ``ce_matched``
and ``ce_randpert`` are its controls. Departure: the plan is constant in the alignment gradient
(``plan_grad: unrolled`` restores the differentiated iterations) and regularisation is relative to the cost.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from ucmkd.methods.shared.bilevel import BilevelMethod, BilevelSettings
from ucmkd.methods.shared.label_alignment import Form


@dataclass(frozen=True, kw_only=True)
class Settings(BilevelSettings):
    """The released defaults."""

    la_form: Form = "head_only"
    inner_optimiser: Literal["sgd", "adamw"] = "adamw"
    inner_rate: float | None = 1e-5


class Method(BilevelMethod[Settings]):
    """Tran et al., arXiv:2606.10504, released form."""

    label = "UCMKD (released)"
    tuned: ClassVar = {"inner_rate": (1e-6, 1e-2)}
    Settings = Settings
