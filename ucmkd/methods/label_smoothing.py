"""Cross-entropy with smoothed labels: what a soft target is worth that knows nothing."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ucmkd.methods import base

if TYPE_CHECKING:
    from ucmkd.training.recipe import Recipe, Recipes


@dataclass(frozen=True, kw_only=True)
class Settings:
    """``smoothing``: the share of each label spread evenly over the classes."""

    smoothing: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.smoothing < 1:
            raise ValueError(f"smoothing is {self.smoothing}; it must lie in [0, 1)")


class Method(base.Method[Settings]):
    """Label smoothing (Szegedy et al., CVPR 2016)."""

    label = "Label smoothing"
    tuned: ClassVar = {"smoothing": (0.01, 0.5)}
    Settings = Settings

    def recipe(self, recipes: "Recipes") -> "Recipe":
        return recipes.student.changed(label_smoothing=self.settings.smoothing)
