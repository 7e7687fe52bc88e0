"""The cost ledger of a run, and running means of what it observes."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass
class Ledger:
    """Passes in units of one batch, summed over all steps.

    A gradient that will itself be differentiated counts twice: once for itself, once for that. Passes of a
    network that a method puts on top of the teacher count as the teacher's.
    """

    steps: int = 0
    student_forwards: float = 0
    student_backwards: float = 0
    teacher_forwards: float = 0
    teacher_backwards: float = 0
    ot_iterations: int = 0

    def per_step(self) -> dict[str, float]:
        """Average over the steps taken."""
        steps = max(self.steps, 1)
        counts = {name: value / steps for name, value in vars(self).items() if name != "steps"}
        return {"steps": self.steps, **counts}


@dataclass
class Monitor:
    """What a run counts and observes; observations are kept on their device until an epoch ends."""

    ledger: Ledger = field(default_factory=Ledger)
    _seen: dict[str, list[Tensor | float]] = field(default_factory=lambda: defaultdict(list))

    def observe(self, name: str, value: Tensor | float) -> None:
        """Add a value to the mean of this name."""
        self._seen[name].append(value.detach() if isinstance(value, Tensor) else value)

    def means(self) -> dict[str, float]:
        """Return the means observed since the last call and start anew."""
        means = {name: _mean(values) for name, values in self._seen.items()}
        self._seen.clear()
        return means


def _mean(values: Sequence[Tensor | float]) -> float:
    return float(torch.stack([torch.as_tensor(value) for value in values]).double().mean())
