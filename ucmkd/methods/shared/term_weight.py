"""The setting of methods that add one weighted term to the task loss."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class WeightSettings:
    """``weight``: of the distillation term; the task loss has weight 1."""

    weight: float = 1.0

    def __post_init__(self) -> None:
        if not self.weight >= 0:
            raise ValueError(f"weight is {self.weight}; it must be at least 0")
