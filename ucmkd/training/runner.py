"""The one loop that trains every student and every teacher.

It sets training mode before every step, draws the batches, adds up the losses, clips, steps the optimiser,
scores the validation split, and keeps the best epoch. A method only gives losses and, if it is bilevel, an
inner update.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ucmkd.data.sampling import Meeting, Sampler
from ucmkd.errors import ConfigError, TrainingError
from ucmkd.evaluation.metrics import score
from ucmkd.methods.base import Batch, Context, Method, Parameters, TeacherBank, TeacherRows
from ucmkd.optimiser import Optimiser, clip, joint_norm
from ucmkd.seeding import seed_for
from ucmkd.training.inputs import Inputs
from ucmkd.training.monitor import Ledger, Monitor
from ucmkd.training.network import FunctionalNetwork, Network, is_encoder, map_shapes, maps_of, watched
from ucmkd.training.predict import predict
from ucmkd.training.recipe import Recipe
from ucmkd.training.transfer import on_device
from ucmkd.transport.divergence import transport_loss

log = logging.getLogger(__name__)
AUXILIARY = "auxiliary."
PRECISION = {"float32": None, "bfloat16": torch.bfloat16}
Row = tuple[int, str, float]


@dataclass(frozen=True)
class LiveTeacher:
    """A frozen teacher in evaluation mode, and the inputs of the bank's rows."""

    network: Network
    inputs: Inputs


@dataclass(frozen=True)
class Supply:
    """The data one run trains on.

    Attributes
    ----------
    inputs : Inputs
        The training pool.
    labels : Tensor, shape (n,)
        -1 where hidden.
    sampler : Sampler
    validation : Inputs
    validation_labels : array, shape (v,)
    bank : TeacherBank or None
        The teacher rows that batches meet; None if the method takes nothing of them.
    teacher : LiveTeacher or None
        The teacher itself, for methods that need it at work.
    reference : tuple of array and Tensor, or None
        Validation positions, and teacher validation features to measure the student's features against.
    """

    inputs: Inputs
    labels: Tensor
    sampler: Sampler
    validation: Inputs
    validation_labels: NDArray[np.int64]
    bank: TeacherBank | None = None
    teacher: LiveTeacher | None = None
    reference: tuple[NDArray[np.int64], Tensor] | None = None


@dataclass(frozen=True)
class Fitted:
    """What training leaves: the best epoch's state, and how it came about."""

    state: dict[str, Tensor]
    history: list[Row]
    best_epoch: int
    validation: dict[str, float]
    costs: dict[str, float]


@dataclass(frozen=True)
class _Best:
    """The best epoch so far."""

    rank: tuple[float, float]
    epoch: int
    state: dict[str, Tensor]
    scores: dict[str, float]


class Runner:
    """Trains one network by one method.

    Parameters
    ----------
    network : Network
        Its weights are the starting point and are overwritten.
    method : Method
    recipe : Recipe
    supply : Supply
    seed : int
        Of the run: decides data order, noise and whatever the method draws.
    device : str

    Attributes
    ----------
    params, extra : dict of Tensor
        The network's weights, and those that the method trains along.
    function : FunctionalNetwork
    optimiser : Optimiser
    monitor : Monitor
    steps : int
        In the whole training.
    evaluations : frozenset of int
        Epochs, counted from 1, after which the validation split is scored.
    """

    def __init__(
        self, network: Network, method: Method[Any], recipe: Recipe, supply: Supply, *, seed: int, device: str
    ) -> None:
        self.network, self.method, self.recipe, self.supply = network.to(device), method, recipe, supply
        self.seed, self.device = seed, device
        self.monitor = Monitor(Ledger())
        self._history: list[Row] = []
        self._best: _Best | None = None
        self.function = FunctionalNetwork(
            network, self.monitor, PRECISION[recipe.precision], with_maps=method.needs.student_maps,
            compiled=recipe.compile,
        )  # fmt: skip
        self.params: Parameters = {
            name: value.detach().requires_grad_() for name, value in network.named_parameters()
        }
        draw = torch.Generator(device).manual_seed(seed_for(seed, "method"))
        context = self._context(draw)
        auxiliary = method.prepare(context)
        self._auxiliary = (auxiliary or nn.Module()).to(device)
        self.extra = {AUXILIARY + name: value for name, value in self._auxiliary.named_parameters()}
        self._modules = [*network.modules(), *self._auxiliary.modules()]
        self._some_hidden = bool((supply.labels < 0).any())
        self.optimiser = Optimiser(
            recipe.optimiser, weight_decay=recipe.weight_decay, momentum=recipe.momentum
        )
        self.steps = recipe.epochs * supply.sampler.steps()
        self.evaluations = frozenset(recipe.evaluation_epochs())

    def _context(self, draw: torch.Generator) -> Context:
        supply, needs = self.supply, self.method.needs
        shapes: dict[str, Any] = {}
        if needs.student_maps:
            shapes["student_maps"] = map_shapes(self.network, supply.inputs[np.arange(1)])
        if supply.teacher is not None and "maps" in needs.teacher:
            shapes["teacher_maps"] = map_shapes(supply.teacher.network, supply.teacher.inputs[np.arange(1)])
        if not all(shapes.values()):
            raise ConfigError(f"{self.method.label}: an encoder of this pair has no feature maps; "
                              "leave the method out, or give images to encoders that have")  # fmt: skip
        return Context(self.network.head.out_features, self.network.width, supply.bank, draw,
                       samples=len(supply.inputs), **shapes)  # fmt: skip

    def fit(self) -> Fitted:
        """Train, and return the state of the epoch with the best validation accuracy.

        Ties go to the lower validation loss, then to the earlier epoch.

        Raises
        ------
        TrainingError
            If a loss is not finite, or the method changes the network's mode.
        """
        now, stepping = clock(self.device), 0.0
        started, begun = time.perf_counter(), now()
        for epoch in range(1, self.recipe.epochs + 1):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed_for(self.seed, "dropout", epoch))
                stepping += self._train_epoch(epoch)
            self.evaluate(epoch)
        return self.fitted(stepping, now() - begun - stepping, time.perf_counter() - started)

    def evaluate(self, epoch: int) -> None:
        """Score the validation split, if it is due, and keep the epoch if it is the best so far.

        Raises
        ------
        TrainingError
            If a loss of the epochs since the last evaluation was not finite.
        """
        if epoch not in self.evaluations:
            return
        observed = self._observed()
        kept = self.method.fold(self.params, self._auxiliary)
        said = predict(self.network, kept, self.supply.validation)
        scores = score(said.logits.cpu().numpy(), self.supply.validation_labels)
        observed |= {
            "val/accuracy": scores["accuracy"],
            "val/nll": scores["nll"],
        } | self._kept_alignment(said.features)
        self._history += [(epoch, name, value) for name, value in sorted(observed.items())]
        log.info("epoch %d/%d: %s", epoch, self.recipe.epochs,
                 " ".join(f"{name} {value:.4g}" for name, value in sorted(observed.items())))  # fmt: skip
        rank = (scores["accuracy"], -scores["nll"])
        if self._best is None or rank > self._best.rank:
            self._best = _Best(rank, epoch, self._snapshot(kept), scores)

    def fitted(self, stepping: float, evaluating: float, seconds: float) -> Fitted:
        """Give what training has left.

        Parameters
        ----------
        stepping, evaluating : float
            Seconds that all steps, and all else, took; of the processor on a CPU.
        seconds : float
            That training took by the clock.
        """
        if self._best is None:
            raise TrainingError("no epoch was evaluated; set evaluations to at least 1")
        costs = self.ledger() | {
            "aux_parameters": sum(value.numel() for value in self.extra.values())
            + self.method.own_parameters,
            "parameters": sum(value.numel() for value in self.params.values()),
            "step_seconds": stepping / self.steps,
            "evaluation_seconds": evaluating,
            "fit_seconds": seconds,
        }
        best = self._best
        return Fitted(best.state, self._history, best.epoch, best.scores, costs)

    def _train_epoch(self, epoch: int) -> float:
        """Take the steps of one epoch and return the seconds they took; probes are left out of them."""
        seconds, now, noise = 0.0, clock(self.device), self.noise(epoch)
        for number, meeting in enumerate(self.supply.sampler.epoch(self.seed, epoch)):
            started = now()
            batch = self.batch(meeting, self.progress(epoch, number), noise, epoch)
            losses, point = self._losses(batch)
            if number == 0 and epoch in self.evaluations:
                seconds += now() - started
                self.probe(losses, point)
                started = now()
            self._update(losses, point, batch.rate)
            self.monitor.ledger.steps += 1
            seconds += now() - started
        return seconds

    def step(self, meeting: Meeting, progress: float = 0.0) -> None:
        """Take one step on one batch, as :meth:`fit` does; for measuring what a step costs."""
        batch = self.batch(meeting, progress, self.noise(1), 1)
        self._update(*self._losses(batch), batch.rate)
        self.monitor.ledger.steps += 1

    def progress(self, epoch: int, number: int) -> float:
        """Share of the training that is done before a step of an epoch, both counted as they are drawn."""
        return ((epoch - 1) * self.supply.sampler.steps() + number) / self.steps

    def noise(self, epoch: int) -> torch.Generator:
        """Where the noise of an epoch's inputs is drawn from."""
        return torch.Generator(self.device).manual_seed(seed_for(self.seed, "noise", epoch))

    def ledger(self) -> dict[str, float]:
        """What the steps so far have cost, per step."""
        return self.monitor.ledger.per_step()

    def batch(self, meeting: Meeting, progress: float, noise: torch.Generator, epoch: int) -> Batch:
        """Gather what a step reads."""
        supply, rate = self.supply, self.recipe.rate(progress)
        rows = on_device(meeting.student, self.device)
        inputs, labels = supply.inputs[meeting.student], supply.labels[rows]
        if self.recipe.noise > 0 and inputs.is_floating_point():
            drawn = torch.randn(inputs.shape, generator=noise, device=self.device)
            inputs = inputs + self.recipe.noise * drawn
        teacher = None if supply.bank is None else self._taught(meeting, supply.bank)
        task_loss = _task_loss(labels, self.recipe.label_smoothing, self._some_hidden)
        return Batch(inputs, labels, task_loss, teacher, self.monitor, rate, progress, epoch, rows)

    def _taught(self, meeting: Meeting, bank: TeacherBank) -> TeacherRows:
        """Gather what the teacher says of the rows that are met.

        Few methods ask for more: the teacher's inputs, or its feature maps, which cost a pass.
        """
        rows = on_device(meeting.teacher, self.device)
        matched = None if meeting.matched is None else on_device(meeting.matched, self.device)
        source, wanted = self.supply.teacher, self.method.needs.teacher
        found: dict[str, Any] = {}
        if bank.inputs is not None:
            found["inputs"] = bank.inputs[rows]
        if source is not None and "live" in wanted:
            found["inputs"] = source.inputs[meeting.teacher]
        if source is not None and "maps" in wanted:
            self.monitor.ledger.teacher_forwards += 1
            encoder = source.network.encoder
            with torch.no_grad(), watched(encoder) as seen:
                encoder(source.inputs[meeting.teacher])
            found["maps"], found["preactivations"] = maps_of(encoder, seen, len(rows))
        return TeacherRows(bank.features[rows], bank.logits[rows], bank.labels[rows], matched, rows, **found)

    def _losses(self, batch: Batch) -> tuple[dict[str, Tensor], Parameters]:
        """Return the named losses, and the parameters that their gradient is taken with respect to."""
        self.wake()
        adapted = self.method.adapt(self.function, self.params, batch)
        point, encoded = self.params, None
        if adapted is not None:
            point, encoded = adapted.params, adapted.encoded
            if self.method.outer == "persist":
                self._keep(point)
        if encoded is None:
            encoded = self.function.encode(point, batch.inputs, statistics_passes=self.method.passes)
        losses = self.losses_at(point, encoded, batch)
        return losses, self.params if self.method.outer == "second_order" else point

    def losses_at(self, point: Parameters, encoded: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Name the losses of an encoded batch, and observe them.

        Raises
        ------
        TrainingError
            If the method changes the network's mode.
        """
        losses = self.method.losses(self.function.read(point, encoded), batch)
        if not self._in_training_mode():
            raise TrainingError(f"method '{self.method.label}' put the student out of training mode; "
                                "the runner alone sets the mode")  # fmt: skip
        for name, value in losses.items():
            self.monitor.observe(name, value)
        return losses

    @torch.no_grad()
    def _keep(self, params: Parameters) -> None:
        for name, value in params.items():
            if value is not self.params[name]:
                self.params[name].copy_(value)

    def wake(self) -> None:
        """Put what is trained into training mode."""
        if not self._in_training_mode():
            self.network.train()
            self._auxiliary.train()

    def _in_training_mode(self) -> bool:
        return all(module.training for module in self._modules)

    def _update(self, losses: dict[str, Tensor], point: Parameters, rate: float) -> None:
        total = torch.stack(list(losses.values())).sum()
        gradients = self.function.gradients(total, point | self.extra, [*point, *self.extra])
        norm = clip(gradients, self.recipe.clip_norm)
        self.monitor.observe("gradient_norm", norm)
        self.optimiser.step(self.params | self.extra, gradients, rate)

    def probe(self, losses: dict[str, Tensor], point: Parameters) -> None:
        """Observe how strongly each term pulls at the encoder, against the task loss."""
        encoder = [value for name, value in point.items() if is_encoder(name)]
        norms = {
            name: joint_norm(
                _present(torch.autograd.grad(value, encoder, retain_graph=True, allow_unused=True))
            )
            for name, value in losses.items()
            if len(losses) > 1 and value.requires_grad
        }
        for name, norm in norms.items():
            if name != "loss/task" and "loss/task" in norms:
                ratio = norm / norms["loss/task"].clamp(min=1e-12)
                self.monitor.observe(f"gradient_ratio/{name.removeprefix('loss/')}", ratio)

    def _observed(self) -> dict[str, float]:
        means = self.monitor.means()
        bad = [name for name, value in means.items() if not np.isfinite(value)]
        if bad:
            raise TrainingError(f"not finite: {', '.join(bad)} ({self.method.label}, seed {self.seed}); "
                                "lower the learning rate or the weight of a term")  # fmt: skip
        inner = {name: means.pop(name) for name in list(means) if name.startswith("inner_norm/")}
        for name, value in inner.items():
            ratio = value / max(means["gradient_norm"], 1e-12)
            means[f"gradient_ratio/{name.removeprefix('inner_norm/')}"] = ratio
        return means

    def _kept_alignment(self, validation: Tensor) -> dict[str, float]:
        if self.supply.reference is None:
            return {}
        positions, features = self.supply.reference
        with torch.no_grad():
            own = validation[torch.from_numpy(positions)]
            distance = transport_loss(own, features, metric="chordal", debias="sinkhorn_divergence")
        return {"alignment/kept": float(distance.value)}

    def _snapshot(self, params: Parameters) -> dict[str, Tensor]:
        state = self.network.state_dict() | params
        return {name: value.detach().clone().cpu() for name, value in state.items()}


def clock(device: str) -> Callable[[], float]:
    """Choose what tells the seconds that steps take: of the processor on a CPU."""
    return time.process_time if device == "cpu" else time.perf_counter


def _task_loss(labels: Tensor, smoothing: float, some_hidden: bool) -> Callable[..., Tensor]:
    def task_loss(logits: Tensor, label_smoothing: float = smoothing) -> Tensor:
        if not some_hidden:
            return F.cross_entropy(logits, labels, label_smoothing=label_smoothing)
        total = F.cross_entropy(
            logits, labels, label_smoothing=label_smoothing, ignore_index=-1, reduction="sum"
        )
        return total / (labels >= 0).sum().clamp(min=1)

    return task_loss


def _present(gradients: Sequence[Tensor | None]) -> list[Tensor]:
    return [gradient for gradient in gradients if gradient is not None]
