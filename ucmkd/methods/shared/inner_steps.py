"""What bilevel methods say of the steps that they take in every batch before the outer loss."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from torch import Tensor

if TYPE_CHECKING:
    from ucmkd.methods.base import Batch, Outputs


@dataclass(frozen=True)
class InnerStep:
    """A step on another loss than the outer one.

    Attributes
    ----------
    name : str
        Of the loss, in the history.
    loss : callable
        Of what the student says and the batch.
    moves : "encoder", "head" or "all"
        Which weights. To a step that moves the head alone, features are constants.
    """

    name: str
    loss: "Callable[[Outputs, Batch], Tensor]"
    moves: Literal["encoder", "head", "all"]


@dataclass(frozen=True, kw_only=True)
class InnerSettings:
    """How inner steps are taken.

    Attributes
    ----------
    inner_optimiser : "sgd" or "adamw"
        Fresh in every batch; ``sgd`` is plain descent.
    inner_rate : float, optional
        None takes the outer rate of the step.
    inner_weight_decay : float
        Of AdamW.
    inner_clip : float
        Norm that inner gradients are clipped to; 0 leaves them alone.
    inner_statistics : bool
        Whether inner passes move the running statistics of batch normalisation, as in the released code.
    """

    inner_optimiser: Literal["sgd", "adamw"] = "sgd"
    inner_rate: float | None = None
    inner_weight_decay: float = 0.05
    inner_clip: float = 0.0
    inner_statistics: bool = True
