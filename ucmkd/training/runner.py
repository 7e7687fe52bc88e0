"""The one loop that trains every student and every teacher.

It sets training mode before every step, draws the batches, adds up the losses, clips, steps the optimiser,
and has the validation split scored. A method only gives losses and, if it is bilevel, an inner update.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ucmkd.data.sampling import Meeting
from ucmkd.errors import ConfigError, TrainingError
from ucmkd.methods.base import Batch, Context, Method, Parameters
from ucmkd.optimiser import Optimiser, clip, joint_norm
from ucmkd.seeding import seed_for
from ucmkd.training.inner import Inner
from ucmkd.training.monitor import Ledger, Monitor
from ucmkd.training.network import FunctionalNetwork, Network, is_encoder, map_shapes
from ucmkd.training.recipe import Recipe
from ucmkd.training.selection import Fitted, Selection
from ucmkd.training.supply import Supply
from ucmkd.training.transfer import on_device

AUXILIARY = "auxiliary."
PRECISION = {"float32": None, "bfloat16": torch.bfloat16}


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
    selection : Selection
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
        self.selection = Selection(network, supply, recipe.epochs)
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
        self._inner = Inner(self.function, [method])
        self._modules = [*network.modules(), *self._auxiliary.modules()]
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
        with torch.random.fork_rng(devices=[]):
            for epoch in range(1, self.recipe.epochs + 1):
                _seed_layers(seed_for(self.seed, "dropout", epoch), self.device)
                stepping += self._train_epoch(epoch)
                self.evaluate(epoch)
        return self.fitted(stepping, now() - begun - stepping, time.perf_counter() - started)

    def evaluate(self, epoch: int) -> None:
        """Have the validation split scored, if that is due.

        Raises
        ------
        TrainingError
            If a loss of the epochs since the last evaluation was not finite.
        """
        if epoch not in self.evaluations:
            return
        observed = self._observed()
        self.selection.consider(epoch, self.method.fold(self.params, self._auxiliary), observed)

    def fitted(self, stepping: float, evaluating: float, seconds: float) -> Fitted:
        """Give what training has left.

        Parameters
        ----------
        stepping, evaluating : float
            Seconds that all steps, and all else, took; of the processor on a CPU.
        seconds : float
            That training took by the clock.
        """
        costs = self.ledger() | {
            "aux_parameters": sum(value.numel() for value in self.extra.values())
            + self.method.own_parameters,
            "parameters": sum(value.numel() for value in self.params.values()),
            "step_seconds": stepping / self.steps,
            "evaluation_seconds": evaluating,
            "fit_seconds": seconds,
        }
        return self.selection.fitted(costs)

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
        teacher = supply.taught(meeting, self.method.needs.teacher, self.monitor.ledger, self.device)
        task_loss = supply.task_loss(labels, self.recipe.label_smoothing)
        return Batch(inputs, labels, task_loss, teacher, self.monitor, rate, progress, epoch, rows)

    def _losses(self, batch: Batch) -> tuple[dict[str, Tensor], Parameters]:
        """Return the named losses, and the parameters that their gradient is taken with respect to."""
        self.wake()
        point, encoded, leaves = self._inner.point(self.params, [batch])
        return self.losses_at(point, encoded, batch), leaves

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
        self.compare(
            {
                name: joint_norm(
                    _present(torch.autograd.grad(value, encoder, retain_graph=True, allow_unused=True))
                )
                for name, value in losses.items()
                if len(losses) > 1 and value.requires_grad
            }
        )

    def compare(self, pulls: dict[str, Tensor]) -> None:
        """Observe the norm of each term's gradient as a ratio to that of the task loss."""
        for name, norm in pulls.items():
            if name != "loss/task" and "loss/task" in pulls:
                ratio = norm / pulls["loss/task"].clamp(min=1e-12)
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


def clock(device: str) -> Callable[[], float]:
    """Choose what tells the seconds that steps take: of the processor on a CPU."""
    return time.process_time if device == "cpu" else time.perf_counter


def _seed_layers(seed: int, device: str) -> None:
    """Seed what layers such as dropout draw from; doing so on all devices costs as much as a step."""
    (torch if device != "cpu" else torch.default_generator).manual_seed(seed)


def _present(gradients: Sequence[Tensor | None]) -> list[Tensor]:
    return [gradient for gradient in gradients if gradient is not None]
