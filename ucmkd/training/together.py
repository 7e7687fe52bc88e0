"""Students of several seeds, trained by one method in one pass: what each is by itself, up to rounding.

Small networks leave a processor waiting for instructions rather than for numbers. Here the encoders, their
gradients and the optimiser run for all seeds at once; the losses, which are cheap and may do anything, are
taken student by student.
"""

import time
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from ucmkd.data.sampling import Meeting
from ucmkd.methods.base import Method
from ucmkd.optimiser import Optimiser, clip, joint_norm
from ucmkd.training.monitor import Monitor
from ucmkd.training.network import is_encoder
from ucmkd.training.runner import PRECISION, Runner, clock
from ucmkd.training.selection import Fitted
from ucmkd.training.stacked import StackedNetwork


def trains_together(method: Method[Any], encoder: str, device: str) -> bool:
    """Tell whether students can be trained together, and whether that pays on this kind of device.

    A method must leave the weights alone before the loss and read no feature maps. The file of an encoder
    names the devices on which ``python -m ucmkd bench seeds`` has shown that it pays.
    """
    pays = getattr(import_module(f"ucmkd.models.{encoder}"), "TOGETHER", ())
    simple = type(method).adapt is Method.adapt and not method.needs.student_maps
    return simple and not method.needs.teacher & {"live", "maps"} and device.partition(":")[0] in pays


class Together:
    """Trains the networks of several runners, which stay in charge of data, losses and scores.

    Parameters
    ----------
    runners : sequence of Runner
        That differ in nothing but the seed, and have not trained yet.
    """

    def __init__(self, runners: Sequence[Runner]) -> None:
        first = runners[0]
        self._runners, self._recipe = runners, first.recipe
        self._monitor = Monitor()
        networks = [runner.network for runner in runners]
        self._stack = StackedNetwork(
            networks, self._monitor, PRECISION[first.recipe.precision], compiled=first.recipe.compile
        )
        self._optimiser = Optimiser(
            first.recipe.optimiser, weight_decay=first.recipe.weight_decay, momentum=first.recipe.momentum
        )

    def fit(self) -> list[Fitted]:
        """Train all, and return for each the state of its own best epoch, as its runner would.

        Raises
        ------
        TrainingError
            If a loss of a student is not finite, or the method changes a network's mode.
        """
        now, stepping = clock(self._runners[0].device), 0.0
        started, begun = time.perf_counter(), now()
        for epoch in range(1, self._recipe.epochs + 1):
            stepping += self._train_epoch(epoch)
            if epoch in self._runners[0].evaluations:
                self._stack.hand_back()
                for runner in self._runners:
                    runner.evaluate(epoch)
        totals = (stepping, now() - begun - stepping, time.perf_counter() - started)
        shares = [total / len(self._runners) for total in totals]
        return [runner.fitted(*shares) for runner in self._runners]

    def step(self, meetings: Sequence[Meeting]) -> None:
        """Take one step of all, each on a batch of its own; for measuring what a step costs."""
        self._step(meetings, [runner.noise(1) for runner in self._runners], epoch=1, number=0, probe=False)

    def _train_epoch(self, epoch: int) -> float:
        now, noises = clock(self._runners[0].device), [runner.noise(epoch) for runner in self._runners]
        streams = [runner.supply.sampler.epoch(runner.seed, epoch) for runner in self._runners]
        started = now()
        for number, meetings in enumerate(zip(*streams, strict=True)):
            probe = number == 0 and epoch in self._runners[0].evaluations
            self._step(meetings, noises, epoch=epoch, number=number, probe=probe)
        return now() - started

    def _step(
        self, meetings: Sequence[Meeting], noises: Sequence[torch.Generator], *, epoch: int, number: int,
        probe: bool,
    ) -> None:  # fmt: skip
        batches = []
        for runner, meeting, noise in zip(self._runners, meetings, noises, strict=True):
            runner.wake()
            batches.append(runner.batch(meeting, runner.progress(epoch, number), noise, epoch))
        inputs, passes = torch.stack([batch.inputs for batch in batches]), self._runners[0].method.passes
        encoded = self._stack.encode(self._stack.params, inputs, statistics_passes=passes)
        losses = [
            runner.losses_at(point, own, batch)
            for runner, point, own, batch in zip(
                self._runners, self._stack.points(), encoded, batches, strict=True
            )
        ]
        if probe:
            self._probe(losses)
        self._update([value for own_losses in losses for value in own_losses.values()], batches[0].rate)

    def _probe(self, losses: Sequence[dict[str, Tensor]]) -> None:
        """Do what :meth:`Runner.probe` does: the gradient of all is, at its own weights, that of each."""
        encoder = [value for name, value in self._stack.params.items() if is_encoder(name)]
        pulls: list[dict[str, Tensor]] = [{} for _ in losses]
        for name in losses[0] if len(losses[0]) > 1 else ():
            pulling = {number: own[name] for number, own in enumerate(losses) if own[name].requires_grad}
            if not pulling:
                continue
            total = torch.stack(list(pulling.values())).sum()
            found = torch.autograd.grad(total, encoder, retain_graph=True, allow_unused=True)
            for number in pulling:
                pulls[number][name] = joint_norm([each[number] for each in found if each is not None])
        for runner, own_pulls in zip(self._runners, pulls, strict=True):
            runner.compare(own_pulls)

    def _update(self, losses: list[Tensor], rate: float) -> None:
        stacked, extras = self._stack.params, [runner.extra for runner in self._runners]
        everything = stacked | {
            f"{number}.{name}": value for number, extra in enumerate(extras) for name, value in extra.items()
        }
        gradients = self._stack.gradients(torch.stack(losses).sum(), everything, everything)
        shared = {name: gradients[name] for name in stacked}
        for number, (runner, extra) in enumerate(zip(self._runners, extras, strict=True)):
            own = {name: gradients[f"{number}.{name}"] for name in extra}
            norm = clip({name: value[number] for name, value in shared.items()} | own, self._recipe.clip_norm)
            runner.monitor.observe("gradient_norm", norm)
            runner.monitor.ledger.steps += 1
            runner.monitor.ledger.student_forwards += 1
            runner.monitor.ledger.student_backwards += 1
            runner.optimiser.step(extra, own, rate)
        self._optimiser.step(stacked, shared, rate)
