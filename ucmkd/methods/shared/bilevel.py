"""The bilevel update: adapt a copy by alignment losses, take the task gradient there, apply it here.

First order: with adapted weights :math:`w'`, the step is :math:`w - \\eta \\nabla CE(w')`. Nothing that the
inner steps do reaches the student except through the place where that gradient is taken.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, TypeVar

from torch import Tensor, nn

from ucmkd.methods.base import Batch, Context, Method, Needs, Outputs
from ucmkd.methods.shared.class_statistics import bank_of
from ucmkd.methods.shared.feature_alignment import AlignmentSettings, feature_alignment
from ucmkd.methods.shared.inner_steps import InnerSettings, InnerStep
from ucmkd.methods.shared.label_alignment import LabelSettings, class_mean_kernel, label_alignment

if TYPE_CHECKING:
    from ucmkd.training.recipe import Recipe, Recipes


@dataclass(frozen=True, kw_only=True)
class UcmkdSettings(AlignmentSettings, LabelSettings):
    """The two losses, their weights, and what of the recipe the method changes (None: nothing)."""

    lambda1: float = 1.0
    lambda2: float = 1.0
    label_smoothing: float | None = None
    clip_norm: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.label_smoothing is not None and not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing is {self.label_smoothing}; it must lie in [0, 1)")
        if self.clip_norm is not None and not self.clip_norm >= 0:
            raise ValueError(f"clip_norm is {self.clip_norm}; it must be at least 0")


@dataclass(frozen=True, kw_only=True)
class BilevelSettings(UcmkdSettings, InnerSettings):
    """Which inner steps.

    Attributes
    ----------
    n1, n2 : int
        Inner steps on feature alignment (encoder) and on label alignment (encoder and head; with
        ``head_only`` the head alone). 0 switches a term off.
    """

    n1: int = 1
    n2: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.n1, self.n2) < 0:
            raise ValueError(f"n1 and n2 are {self.n1} and {self.n2}; they count steps")
        if self.inner_rate is not None and not self.inner_rate > 0:
            raise ValueError(f"inner_rate is {self.inner_rate}; it must be above 0")


U = TypeVar("U", bound=UcmkdSettings)
B = TypeVar("B", bound=BilevelSettings)


class UcmkdMethod(Method[U]):
    """What all forms share: the two alignment losses and what they need of the teacher."""

    needs = Needs(teacher=frozenset({"features", "logits", "head"}), student_labels=True, teacher_labels=True)
    tuned: ClassVar = {"lambda1": (0.01, 10.0), "lambda2": (0.01, 10.0)}

    def recipe(self, recipes: "Recipes") -> "Recipe":
        s = self.settings
        return recipes.student.changed(label_smoothing=s.label_smoothing, clip_norm=s.clip_norm)

    def prepare(self, context: Context) -> nn.Module | None:
        self._bank = bank_of(context)
        self._class_mean = class_mean_kernel(self._bank, context.classes)
        return None

    def feature_loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Weighted feature alignment."""
        return self.settings.lambda1 * feature_alignment(outputs.features, batch, self.settings)

    def label_loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Weighted label alignment."""
        cross = self._bank.head(outputs.features)
        loss = label_alignment(outputs.logits, cross, batch, self.settings, self._class_mean)
        return self.settings.lambda2 * loss


class BilevelMethod(UcmkdMethod[B]):
    """Inner steps on the alignment losses, then the task gradient."""

    def inner_steps(self) -> tuple[InnerStep, ...]:
        s = self.settings
        alignment = InnerStep("alignment", self.feature_loss, moves="encoder")
        moves: Literal["head", "all"] = "head" if s.la_form == "head_only" else "all"
        label_alignment = InnerStep("label_alignment", self.label_loss, moves=moves)
        return s.n1 * (alignment,) + s.n2 * (label_alignment,)

    @property
    def inner(self) -> InnerSettings:
        return self.settings
