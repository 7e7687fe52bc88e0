"""What a method is: named losses, what it consumes, and, for bilevel methods, an inner update."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

from torch import Generator, Tensor, nn

from ucmkd import discovery, settings
from ucmkd.data.regimes import STRENGTH, Correspondence, Regime, is_alone
from ucmkd.errors import ConfigError
from ucmkd.methods.shared.inner_steps import InnerSettings, InnerStep

if TYPE_CHECKING:
    from ucmkd.training.monitor import Monitor
    from ucmkd.training.recipe import Recipe, Recipes

S = TypeVar("S")
Parameters = dict[str, Tensor]
Outer = Literal["first_order", "second_order", "persist"]
TeacherPart = Literal["logits", "features", "head", "maps", "live", "inputs"]


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What the distillation term of a method consumes; plain training consumes nothing of it.

    Attributes
    ----------
    teacher : frozenset of "logits", "features", "head", "maps", "live", "inputs"
        Empty for methods that need no teacher at all. ``maps`` runs the frozen teacher on every batch, for
        its feature maps; ``live`` hands out the teacher itself, to be run or trained along; ``inputs`` hands
        out what the teacher would read, such as the embeddings of a black box, and no network.
    student_maps : bool
        Whether the student's feature maps are read; its encoder must have some.
    preactivations : bool
        Whether maps of both sides are read as they are before their rectifier.
    student_head : bool
        Whether the student's head is read as a function of its features (not with ``project: side``).
    correspondence : "instance", "class" or "none"
        What a teacher row and the student row beside it must share at least.
    student_labels, teacher_labels : bool
        Whether the distillation term reads labels of that side (the task loss always reads the student's).
    """

    teacher: frozenset[TeacherPart] = frozenset()
    student_maps: bool = False
    preactivations: bool = False
    student_head: bool = False
    correspondence: Correspondence = "none"
    student_labels: bool = False
    teacher_labels: bool = False


@dataclass(frozen=True)
class Outputs:
    """What a network says of a batch.

    Attributes
    ----------
    features : Tensor, shape (n, d)
        In the shared embedding.
    logits : Tensor, shape (n, classes)
    maps, preactivations : tuple of Tensor, shapes (n, channels, height, width)
        Feature maps from shallow to deep, after and before their rectifier; empty unless the method needs
        them.
    head : callable or None
        The classifier as it is at this step, from features (n, d) to logits; None where it reads something
        else than the features (``project: side``).
    """

    features: Tensor
    logits: Tensor
    maps: tuple[Tensor, ...] = ()
    preactivations: tuple[Tensor, ...] = ()
    head: Callable[[Tensor], Tensor] | None = None


@dataclass(frozen=True)
class TeacherRows:
    """What the frozen teacher said of the rows that a student batch meets.

    Attributes
    ----------
    features, logits, labels : Tensor
        Shapes (m, d), (m, classes) and (m,).
    matched : Tensor of bool, shape (n,), or None
        Which student rows correspond to the teacher row of the same number; None where no row does.
    rows : Tensor of int, shape (m,), or None
        Their positions in the bank.
    inputs : Tensor, shape (m, ...), or None
        Standardised; given to methods that need the teacher live, or its inputs.
    maps, preactivations : tuple of Tensor
        As those of :class:`Outputs`; given to methods that need maps.
    """

    features: Tensor
    logits: Tensor
    labels: Tensor
    matched: Tensor | None
    rows: Tensor | None = None
    inputs: Tensor | None = None
    maps: tuple[Tensor, ...] = ()
    preactivations: tuple[Tensor, ...] = ()


@dataclass(frozen=True)
class Batch:
    """One step's data.

    Attributes
    ----------
    inputs : Tensor, shape (n, ...)
    labels : Tensor, shape (n,)
        -1 where the label is hidden.
    task_loss : callable
        Cross-entropy of logits (n, classes) with the labels, smoothed and masked as the recipe says.
        ``task_loss(logits, label_smoothing=0.0)`` overrides the smoothing.
    teacher : TeacherRows or None
    monitor : Monitor
        Counts passes and keeps means of what a method observes.
    rate : float
        The outer learning rate of this step.
    progress : float
        Share of the training that is done, in [0, 1).
    epoch : int
        Counted from 1.
    rows : Tensor of int, shape (n,), or None
        Positions of the samples in the student's training pool.
    """

    inputs: Tensor
    labels: Tensor
    task_loss: Callable[..., Tensor]
    teacher: TeacherRows | None
    monitor: "Monitor"
    rate: float
    progress: float
    epoch: int = 1
    rows: Tensor | None = None


@dataclass(frozen=True)
class TeacherBank:
    """What the frozen teacher says of the training rows that the regime lets students meet.

    Attributes
    ----------
    features, logits, labels : Tensor
        Shapes (m, d), (m, classes) and (m,).
    head : callable
        The teacher's classifier: features (n, d) to logits (n, classes), without gradient to its weights.
    network : Module or None
        The trained teacher itself, frozen and in evaluation mode: inputs to :class:`Outputs`. Given to
        methods that need it live; to train it along, return a copy of it from :meth:`Method.prepare`.
    inputs : Tensor, shape (m, ...), or None
        Standardised; given to methods that need the teacher's inputs.
    """

    features: Tensor
    logits: Tensor
    labels: Tensor
    head: Callable[[Tensor], Tensor]
    network: nn.Module | None = None
    inputs: Tensor | None = None


@dataclass(frozen=True)
class Context:
    """What a method may look at before training starts.

    Attributes
    ----------
    classes : int
    width : int
        Width of the shared embedding.
    teacher : TeacherBank or None
        None for methods that need no teacher.
    generator : torch.Generator
        The method's own stream of random numbers.
    student_maps, teacher_maps : tuple of tuple of int
        Shapes (channels, height, width) of the feature maps of both sides; empty unless the method needs
        them.
    samples : int
        Of the student's training pool.
    """

    classes: int
    width: int
    teacher: TeacherBank | None
    generator: Generator
    student_maps: tuple[tuple[int, ...], ...] = ()
    teacher_maps: tuple[tuple[int, ...], ...] = ()
    samples: int = 0


class Method(Generic[S]):
    """Anything that trains a student. A file in ``ucmkd/methods`` defines ``Method(base.Method[Settings])``.

    Attributes
    ----------
    label : str
        Its name in tables and figures.
    needs : Needs
    fallback : str, optional
        The method that stands for this one, on class statistics, where rows do not correspond.
    tuned : dict
        Settings that tuning looks for, each between two values on a logarithmic scale; where it is empty,
        ``weight``, if there is one. The learning rate is always looked for.
    """

    label: ClassVar[str]
    needs: ClassVar[Needs] = Needs()
    fallback: ClassVar[str | None] = None
    tuned: ClassVar[Mapping[str, tuple[float, float]]] = {}
    Settings: ClassVar[type[Any]]

    def __init__(self, settings: S) -> None:
        self.settings = settings

    @property
    def outer(self) -> Outer:
        """What becomes of inner updates.

        First order: the outer gradient is taken at the adapted weights and applied to the original ones.
        Second order: it is taken through the inner updates. Persist: the adapted weights are kept, then the
        outer step follows.
        """
        return "first_order"

    @property
    def passes(self) -> int:
        """How many identical passes the batch-normalisation statistics reflect in the outer step."""
        return 1

    @property
    def own_parameters(self) -> int:
        """How many weights the method trains by itself, beside those that :meth:`prepare` returns."""
        return 0

    def recipe(self, recipes: "Recipes") -> "Recipe":
        """Choose how the student is trained; the same as every other student unless that is the point."""
        return recipes.student

    def prepare(self, context: Context) -> nn.Module | None:
        """Take what is needed of the teacher once; return auxiliary modules to be trained along, if any."""
        return None

    def perturb(self, params: Parameters) -> Parameters | None:
        """Give other weights to start a step from, as leaves of the graph; None leaves them as they are."""
        return None

    def inner_steps(self) -> tuple[InnerStep, ...]:
        """List the steps taken on a copy of the weights before the outer loss; head steps come last."""
        return ()

    @property
    def inner(self) -> InnerSettings:
        """How inner steps are taken."""
        return InnerSettings()

    def fold(self, params: Parameters, auxiliary: nn.Module) -> Parameters:
        """Give the weights that are scored and kept: linear layers trained along are folded in here."""
        return params

    def losses(self, student: Outputs, batch: Batch) -> dict[str, Tensor]:
        """Name the terms of the loss; the runner adds them up. ``loss/task`` is one of them."""
        return {"loss/task": batch.task_loss(student.logits)}


def method_names() -> list[str]:
    """List the methods by name."""
    return discovery.names("ucmkd.methods")


def method_class(name: str) -> type[Method[Any]]:
    """Find a method's class by name."""
    cls: type[Method[Any]] = discovery.load("ucmkd.methods", name, "Method")
    return cls


def load_method(name: str, values: Mapping[str, Any] | None = None) -> Method[Any]:
    """Build the method ``name`` with settings from the configuration."""
    cls = method_class(name)
    return cls(settings.build(cls.Settings, values or {}, f"settings.{name}"))


def refuse_unless_provided(name: str, cls: type[Method[Any]], regime: Regime) -> None:
    """Stop a cell whose method needs what its regime does not give.

    Raises
    ------
    ConfigError
        Naming the method, the regime, what is missing, and what to use instead.
    """
    needs = cls.needs
    if needs.teacher and is_alone(regime.name):
        raise ConfigError(
            f"cells: method '{name}' needs a teacher, and nobody teaches in '{regime.name}'; choose a regime"
        )
    if STRENGTH[needs.correspondence] > STRENGTH[regime.correspondence] and cls.fallback is None:
        raise ConfigError(
            f"cells: method '{name}' needs teacher and student rows that share their {needs.correspondence}, "
            f"which regime '{regime.name}' does not give; choose another regime or leave the method out"
        )
    if needs.student_labels and regime.labels == "few":
        raise ConfigError(
            f"cells: method '{name}' reads the label of every student sample, which regime '{regime.name}' "
            "hides; choose another regime or leave the method out"
        )
