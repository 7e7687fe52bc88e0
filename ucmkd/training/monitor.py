"""The cost ledger of a run, and running means of what it observes."""

from collections import defaultdict
from dataclasses import dataclass, field

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
    _sums: dict[str, Tensor | float] = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def observe(self, name: str, value: Tensor | float) -> None:
        """Add a value to the mean of this name."""
        value = value.detach() if isinstance(value, Tensor) else value
        self._sums[name] = self._sums.get(name, 0.0) + value
        self._counts[name] += 1

    def means(self) -> dict[str, float]:
        """Return the means observed since the last call and start anew."""
        means = {name: float(total) / self._counts[name] for name, total in self._sums.items()}
        self._sums.clear()
        self._counts.clear()
        return means
