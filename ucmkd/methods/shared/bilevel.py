"""The bilevel update: adapt a copy by alignment losses, take the task gradient there, apply it here.

First order: with adapted weights :math:`w'`, the step is :math:`w - \\eta \\nabla CE(w')`. Nothing that the
inner steps do reaches the student except through the place where that gradient is taken.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

import torch
from torch import Tensor, nn

from ucmkd.methods.base import Adapted, Batch, Context, Method, Needs, Outputs, Parameters
from ucmkd.methods.shared.class_statistics import bank_of
from ucmkd.methods.shared.feature_alignment import AlignmentSettings, feature_alignment
from ucmkd.methods.shared.label_alignment import LabelSettings, class_mean_kernel, label_alignment
from ucmkd.optimiser import Optimiser, clip, joint_norm

if TYPE_CHECKING:
    from ucmkd.training.network import FunctionalNetwork
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
class BilevelSettings(UcmkdSettings):
    """The inner updates.

    Attributes
    ----------
    n1, n2 : int
        Inner steps on feature alignment (encoder) and on label alignment (encoder and head; with
        ``head_only`` the head alone). 0 switches a term off.
    inner_optimiser : "sgd" or "adamw"
        Fresh in every batch.
    inner_rate : float, optional
        None takes the outer rate of the step.
    inner_weight_decay : float
        Of AdamW.
    inner_clip : float
        Norm that inner gradients are clipped to; 0 leaves them alone.
    inner_statistics : bool
        Whether inner passes move the running statistics of batch normalisation, as in the released code.
    """

    n1: int = 1
    n2: int = 1
    inner_optimiser: Literal["sgd", "adamw"] = "sgd"
    inner_rate: float | None = None
    inner_weight_decay: float = 0.05
    inner_clip: float = 0.0
    inner_statistics: bool = True

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

    def prepare(self, context: Context) -> nn.Module | None:
        self.inner_adamw = Optimiser("adamw", weight_decay=self.settings.inner_weight_decay)
        return super().prepare(context)

    def adapt(self, network: "FunctionalNetwork", params: Parameters, batch: Batch) -> Adapted | None:
        s = self.settings
        if s.n1 == s.n2 == 0:
            return None
        self.inner_adamw.forget()
        inner = Inner(self, network, batch)
        point = params
        encoder = [name for name in params if not name.startswith("head.")]
        for _ in range(s.n1):
            outputs = network(point, batch.inputs, statistics_passes=int(s.inner_statistics))
            point = inner.step("alignment", self.feature_loss(outputs, batch), point, encoder)
        if s.n2 and s.la_form == "head_only":
            return self._head_steps(network, inner, point, batch)
        for _ in range(s.n2):
            outputs = network(point, batch.inputs, statistics_passes=int(s.inner_statistics))
            point = inner.step("label_alignment", self.label_loss(outputs, batch), point, list(point))
        return Adapted(point)

    def _head_steps(
        self, network: "FunctionalNetwork", inner: "Inner", point: Parameters, batch: Batch
    ) -> Adapted:
        """Update the head on detached features; one encoder pass serves these steps and the outer loss."""
        passes = 1 + (self.settings.n2 if self.settings.inner_statistics else 0)
        encoded = network.encode(point, batch.inputs, statistics_passes=passes)
        head = [name for name in point if name.startswith("head.")]
        for _ in range(self.settings.n2):
            outputs = network.read(point, encoded.detach())
            point = inner.step("label_alignment", self.label_loss(outputs, batch), point, head)
        return Adapted(point, encoded)


class Inner:
    """The inner steps of one batch: out-of-place updates of a dictionary of parameters."""

    def __init__(self, method: BilevelMethod[Any], network: "FunctionalNetwork", batch: Batch) -> None:
        s: BilevelSettings = method.settings
        self._settings, self._network, self._monitor = s, network, batch.monitor
        self._differentiable = method.outer == "second_order"
        self._rate = batch.rate if s.inner_rate is None else s.inner_rate
        self._adamw = method.inner_adamw
        self._update: Callable[[Parameters, Parameters], Parameters] = (
            self._adamw_update if s.inner_optimiser == "adamw" else self._sgd_update
        )

    def step(self, name: str, loss: Tensor, point: Parameters, names: list[str]) -> Parameters:
        """Descend a loss in the named parameters; the others are passed on."""
        self._monitor.observe(f"loss/{name}", loss)
        gradients = self._network.gradients(loss, point, names, differentiable=self._differentiable)
        if self._settings.inner_clip > 0:
            norm = clip(gradients, self._settings.inner_clip)
        else:
            norm = joint_norm([g.detach() for g in gradients.values()])
        self._monitor.observe(f"inner_norm/{name}", norm)
        return point | self._update({name: point[name] for name in names}, gradients)

    def _sgd_update(self, params: Parameters, gradients: Parameters) -> Parameters:
        if self._differentiable:
            return {name: value - self._rate * gradients[name] for name, value in params.items()}
        with torch.no_grad():
            moved = torch._foreach_add(
                list(params.values()), [gradients[name] for name in params], alpha=-self._rate
            )
        return {name: value.requires_grad_() for name, value in zip(params, moved, strict=True)}

    def _adamw_update(self, params: Parameters, gradients: Parameters) -> Parameters:
        with torch.no_grad():
            moved = {name: value.clone() for name, value in params.items()}
        self._adamw.step(moved, gradients, self._rate)
        return {name: value.requires_grad_() for name, value in moved.items()}
