r"""Cross-entropy whose gradient is taken at randomly perturbed weights.

The released bilevel step moves every weight by about its inner rate before the gradient is taken, whatever
the alignment says: one AdamW step from zero state is a sign. This control moves every weight by the same
amount in a random direction, a perturbation of norm :math:`\eta_{in}\sqrt{P}`.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from ucmkd.methods import base, ce_matched


@dataclass(frozen=True, kw_only=True)
class Settings(ce_matched.Settings):
    """``inner_rate``: the size of the move of each weight; ``passes`` as in ``ce_matched``."""

    inner_rate: float = 1e-5


class Method(base.Method[Settings]):
    """Matched cross-entropy at a random-sign perturbation."""

    label = "CE (random perturbation)"
    tuned: ClassVar = {"inner_rate": (1e-6, 1e-2)}
    Settings = Settings

    @property
    def passes(self) -> int:
        return self.settings.passes

    def prepare(self, context: base.Context) -> nn.Module | None:
        self._generator = context.generator
        return None

    def perturb(self, params: base.Parameters) -> base.Parameters:
        with torch.no_grad():
            moved = {
                name: value + self.settings.inner_rate * self._signs(value) for name, value in params.items()
            }
        return {name: value.requires_grad_() for name, value in moved.items()}

    def _signs(self, value: torch.Tensor) -> torch.Tensor:
        coins = torch.randint(2, value.shape, generator=self._generator, device=value.device)
        return (2 * coins - 1).to(value.dtype)
