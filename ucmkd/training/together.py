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
from ucmkd.methods.base import Method, Parameters
from ucmkd.optimiser import Optimiser, clip, joint_norm
from ucmkd.training.inner import Inner
from ucmkd.training.network import is_encoder
from ucmkd.training.runner import PRECISION, Runner, clock
from ucmkd.training.selection import Fitted
from ucmkd.training.stacked import StackedNetwork


def trains_together(method: Method[Any], encoder: str, device: str) -> bool:
    """Tell whether students can be trained together, and whether that pays on this kind of device.

    A method must read no feature maps and run no teacher. The file of an encoder names the devices on which
    ``python -m ucmkd bench seeds`` has shown that it pays.
    """
    pays = getattr(import_module(f"ucmkd.models.{encoder}"), "TOGETHER", ())
    simple = not method.needs.student_maps and not method.needs.teacher & {"live", "maps"}
    return simple and device.partition(":")[0] in pays


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
        self._stack = StackedNetwork(
            [runner.network for runner in runners], [runner.monitor for runner in runners],
            PRECISION[first.recipe.precision], compiled=first.recipe.compile,
        )  # fmt: skip
        self._inner = Inner(self._stack, [runner.method for runner in runners])
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
        point, encoded, leaves = self._inner.point(self._stack.params, batches)
        losses = [
            runner.losses_at(own_point, own, batch)
            for runner, own_point, own, batch in zip(
                self._runners, self._stack.outside(point), self._stack.apart(encoded), batches, strict=True
            )
        ]
        if probe:
            self._probe(losses, leaves)
        self._update([value for own in losses for value in own.values()], leaves, batches[0].rate)

    def _probe(self, losses: Sequence[dict[str, Tensor]], leaves: Parameters) -> None:
        """Do what :meth:`Runner.probe` does: the gradient of all is, at its own weights, that of each."""
        encoder = [value for name, value in leaves.items() if is_encoder(name)]
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

    def _update(self, losses: list[Tensor], leaves: Parameters, rate: float) -> None:
        extras = [runner.extra for runner in self._runners]
        everything = leaves | {
            f"{number}.{name}": value for number, extra in enumerate(extras) for name, value in extra.items()
        }
        gradients = self._stack.gradients(torch.stack(losses).sum(), everything, everything)
        shared = {name: gradients[name] for name in leaves}
        every = zip(self._runners, extras, self._stack.parts(shared), strict=True)
        for number, (runner, extra, own_shared) in enumerate(every):
            own = {name: gradients[f"{number}.{name}"] for name in extra}
            norm = clip(own_shared | own, self._recipe.clip_norm)
            runner.monitor.observe("gradient_norm", norm)
            runner.monitor.ledger.steps += 1
            runner.optimiser.step(extra, own, rate)
        self._optimiser.step(self._stack.params, shared, rate)
