"""What both forms of ARMADA share: an aligner on embeddings, its schedule, and the student's second head."""

from abc import abstractmethod
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ucmkd.methods.base import Batch, Context, Method, Outputs, TeacherRows
from ucmkd.methods.shared.class_statistics import bank_of, matched_mean
from ucmkd.methods.shared.feature_alignment import teacher_rows
from ucmkd.methods.shared.seeded_modules import seeded
from ucmkd.methods.shared.ts_aligner import AlignerOutputs, AlignerTraining, TSAligner


@dataclass(frozen=True, kw_only=True)
class BlackBoxSettings:
    """The weights of the terms, and what stands between the embeddings and the student.

    Attributes
    ----------
    alpha : float
        Of the outputs; both cross-entropies keep the rest of 1.
    beta, gamma : float
        Of the manifold loss; of the auxiliary heads, against the main ones.
    temperature : float
        Of the predictions that are compared.
    aligner : "trained" or "random"
        Whether the aligner is trained, or left as it was drawn.
    embeddings : "real" or "noise"
        Whether the aligner reads the teacher's embeddings, or standard normal noise in the place of each.
    hidden, dropout
        Of the aligner's perceptron.
    manifold_width : int
        Of the space in which mapped embeddings and mapped features are compared.
    aligner_rate : float
        The aligner's learning rate.
    """

    alpha: float = 0.5
    beta: float = 1.0
    gamma: float = 1.0
    temperature: float = 5.0
    aligner: Literal["trained", "random"] = "trained"
    embeddings: Literal["real", "noise"] = "real"
    hidden: int = 256
    dropout: float = 0.1
    manifold_width: int = 64
    aligner_rate: float = 1e-3

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"alpha is {self.alpha}; it must lie in [0, 1]")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; it must lie in [0, 1)")
        for name in ("beta", "gamma"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 0")
        for name in ("temperature", "aligner_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be above 0")
        for name in ("hidden", "manifold_width"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")


S = TypeVar("S", bound=BlackBoxSettings)


class StudentSide(nn.Module):
    """A linear map of the student's feature without bias, and an auxiliary head on it."""

    def __init__(self, features: int, classes: int, width: int) -> None:
        super().__init__()
        self.map, self.head = nn.Linear(features, width, bias=False), nn.Linear(width, classes)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Give mapped features (n, width) and logits (n, classes)."""
        mapped = self.map(features)
        return mapped, self.head(mapped)


def softened(said: AlignerOutputs, temperature: float) -> tuple[Tensor, Tensor]:
    """Give the predictions of both heads, shape (n, classes), at a temperature."""
    return F.softmax(said.logits / temperature, 1), F.softmax(said.map_logits / temperature, 1)


def output_distance(logits: Tensor, targets: Tensor, matched: Tensor | None, temperature: float) -> Tensor:
    r"""Give :math:`T^2\,\mathrm{MSE}(p, \mathrm{softmax}(b / T))` over classes and rows with a target.

    Parameters
    ----------
    logits, targets : Tensor, shape (n, classes)
        The student's logits b; probabilities p at the same temperature.
    matched : Tensor of bool, shape (n,), or None
    temperature : float
    """
    rows = (F.softmax(logits / temperature, 1) - targets).square().mean(1)
    return temperature**2 * matched_mean(rows, matched)


@dataclass(frozen=True)
class Targets:
    """What the student's predictions are compared with.

    Attributes
    ----------
    main, auxiliary : Tensor, shape (n, classes)
        Probabilities, for either head.
    matched : Tensor of bool, shape (n,), or None
        Which rows have a target; None if all have.
    """

    main: Tensor
    auxiliary: Tensor
    matched: Tensor | None


class BlackBoxMethod(Method[S]):
    """Distils from embeddings: at the start of an epoch the aligner learns, then it is frozen.

    Subclasses say what the student's predictions and mapped features are compared with.
    """

    tuned: ClassVar = {"alpha": (0.1, 0.9), "beta": (0.1, 10.0)}

    @property
    def own_parameters(self) -> int:
        if self.settings.aligner == "random":
            return 0
        return sum(value.numel() for value in self._aligner.parameters())

    def prepare(self, context: Context) -> nn.Module | None:
        s, bank, draw = self.settings, bank_of(context), context.generator
        if bank.inputs is None:
            raise TypeError("a method that needs the teacher's inputs is given them")
        self._labels, self._classes, self._epoch = bank.labels, context.classes, 0
        embedded, width = bank.inputs.flatten(1), s.manifold_width
        numbers = embedded.shape[1]
        make = partial(TSAligner, numbers, context.classes, hidden=s.hidden, width=width, dropout=s.dropout)
        self._aligner = seeded(make, draw).to(embedded.device)
        self._student = seeded(lambda: StudentSide(context.width, context.classes, width), draw)
        self._training = AlignerTraining(self._aligner, gamma=s.gamma, rate=s.aligner_rate, generator=draw)
        self._noise = None
        if s.embeddings == "noise":
            self._noise = torch.randn(embedded.shape, generator=draw, device=embedded.device)
        self._embedded = embedded if self._noise is None else self._noise
        return self._student

    def losses(self, student: Outputs, batch: Batch) -> dict[str, Tensor]:
        s = self.settings
        if batch.epoch != self._epoch:
            self._epoch = batch.epoch
            self._start_epoch(batch)
        rows = teacher_rows(batch)
        with torch.no_grad():
            said = self._aligner(self._read(rows))
            targets = self._targets(said, batch)
        batch.monitor.ledger.teacher_forwards += 1
        mapped, map_logits = self._student(student.features)
        outputs = output_distance(student.logits, targets.main, targets.matched, s.temperature)
        outputs = outputs + s.gamma * output_distance(
            map_logits, targets.auxiliary, targets.matched, s.temperature
        )
        losses = {
            "loss/task": (1 - s.alpha) * batch.task_loss(student.logits),
            "loss/auxiliary_task": (1 - s.alpha) * s.gamma * batch.task_loss(map_logits),
            "loss/outputs": s.alpha * outputs,
        }
        manifold = self._manifold(mapped, said.mapped, rows)
        return losses if manifold is None else losses | {"loss/manifold": s.beta * manifold}

    def _start_epoch(self, batch: Batch) -> None:
        """Let the aligner learn from all rows, in batches as large as the student's."""
        if self.settings.aligner == "random":
            return
        loss, steps = self._training.run(self._embedded, self._labels, len(batch.labels))
        batch.monitor.ledger.teacher_forwards += steps
        batch.monitor.ledger.teacher_backwards += steps
        batch.monitor.observe("aligner/loss", loss)

    def _read(self, rows: TeacherRows) -> Tensor:
        if rows.inputs is None or rows.rows is None:
            raise TypeError("a method that needs the teacher's inputs meets them in every batch")
        return rows.inputs.flatten(1) if self._noise is None else self._noise[rows.rows]

    @abstractmethod
    def _targets(self, said: AlignerOutputs, batch: Batch) -> Targets:
        """Choose what the student's predictions are compared with."""

    @abstractmethod
    def _manifold(self, student: Tensor, teacher: Tensor, rows: TeacherRows) -> Tensor | None:
        """Compare mapped features; None leaves the term out."""
