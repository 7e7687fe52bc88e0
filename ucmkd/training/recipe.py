"""How a network is trained: teachers by one recipe, students by another, no method by its own unseen."""

import math
from dataclasses import dataclass, replace
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What the runner does apart from the method's losses.

    Attributes
    ----------
    optimiser : "sgd" or "adamw"
    learning_rate, weight_decay, momentum : float
        Momentum is that of SGD; AdamW uses its usual (0.9, 0.999).
    schedule : "cosine" or "constant"
        Cosine falls to zero over the whole training, step by step.
    epochs : int
        Passes over the training rows.
    batch_size : int
        At most; an epoch is cut into batches of nearly equal size.
    clip_norm : float
        Gradients are scaled down to this norm; 0 leaves them alone.
    label_smoothing : float
        Of the task loss, in [0, 1).
    noise : float
        Standard deviation of Gaussian noise added to standardised training inputs; texts get none.
    evaluations : int
        How often, at equal distances, the validation split is scored; the best of these epochs is kept.
    precision : "float32" or "bfloat16"
        Of the networks' forward pass; losses and transport are always float32.
    compile : bool
        Whether torch compiles the pass of encoders, which takes long at first and pays for large ones on a
        GPU. It cannot be differentiated twice.
    """

    optimiser: Literal["sgd", "adamw"] = "sgd"
    learning_rate: float = 0.05
    weight_decay: float = 0.0005
    momentum: float = 0.9
    schedule: Literal["cosine", "constant"] = "cosine"
    epochs: int = 30
    batch_size: int = 64
    clip_norm: float = 5.0
    label_smoothing: float = 0.0
    noise: float = 0.0
    evaluations: int = 15
    precision: Literal["float32", "bfloat16"] = "float32"
    compile: bool = False

    def __post_init__(self) -> None:
        if self.batch_size < 2:
            raise ValueError(f"batch_size is {self.batch_size}; batch statistics need at least 2")
        for name in ("epochs", "evaluations"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        for name in ("weight_decay", "momentum", "clip_norm", "noise"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be a number of at least 0")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate is {self.learning_rate}; it must be above 0")
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing is {self.label_smoothing}; it must lie in [0, 1)")

    def changed(self, **changes: Any) -> "Recipe":
        """Return the recipe with some values replaced; those that are None stay."""
        return replace(self, **{name: value for name, value in changes.items() if value is not None})

    def rate(self, progress: float) -> float:
        """Learning rate when this share of the steps, in [0, 1], is done."""
        if self.schedule == "constant":
            return self.learning_rate
        return 0.5 * self.learning_rate * (1 + math.cos(math.pi * progress))

    def evaluation_epochs(self) -> list[int]:
        """Epochs, counted from 1, after which the validation split is scored; the last is among them."""
        count = min(self.evaluations, self.epochs)
        return sorted({math.ceil((k + 1) * self.epochs / count) for k in range(count)})


@dataclass(frozen=True)
class Recipes:
    """The two recipes of a benchmark."""

    student: Recipe
    teacher: Recipe
