"""Where a step takes its outer loss: at the weights themselves, or where inner steps lead from there."""

from collections.abc import Sequence
from functools import reduce
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ucmkd.methods.base import Batch, Method, Parameters
from ucmkd.methods.shared.inner_steps import InnerStep
from ucmkd.optimiser import Optimiser, clip
from ucmkd.training.network import FunctionalNetwork, is_encoder


class Point(NamedTuple):
    """Weights at which the outer loss is taken, what the encoder says there, and what its gradient is of.

    ``leaves`` are the weights themselves, or, where the gradient goes through the inner steps, those at which
    these began.
    """

    params: Parameters
    encoded: Tensor
    leaves: Parameters


class Inner:
    """The inner steps of one student, or of several that train in one pass.

    Parameters
    ----------
    network : FunctionalNetwork
    methods : sequence of Method
        One for each student, with the same settings.
    """

    def __init__(self, network: FunctionalNetwork, methods: Sequence[Method[Any]]) -> None:
        self._network, self._methods, self._settings = network, methods, methods[0].inner
        self._outer, self._passes = methods[0].outer, methods[0].passes
        self._steps = list(zip(*(method.inner_steps() for method in methods), strict=True))
        self._adamw = Optimiser("adamw", weight_decay=self._settings.inner_weight_decay)

    def point(self, params: Parameters, batches: Sequence[Batch]) -> Point:
        """Take the inner steps of a batch, and encode it where they lead.

        A pass of the encoder that moves nothing but the head serves all that follows.

        Parameters
        ----------
        params : dict of Tensor
            Not touched unless inner steps persist.
        batches : sequence of Batch
            One for each student.
        """
        point, encoded = self._perturbed(params), None
        inputs = self._network.stacked([batch.inputs for batch in batches])
        statistics = int(self._settings.inner_statistics)
        self._adamw.forget()
        for number, steps in enumerate(self._steps):
            if steps[0].moves != "head":
                said = self._network.encode(point, inputs, statistics_passes=statistics)
            else:
                if encoded is None:
                    passes = 1 + statistics * (len(self._steps) - number)
                    encoded = self._network.encode(point, inputs, statistics_passes=passes)
                said = encoded.detach()
            point = self._descend(steps, point, said, batches)
        if self._outer == "persist":
            _keep(point, params)
        if encoded is None:
            encoded = self._network.encode(point, inputs, statistics_passes=self._passes)
        return Point(point, encoded, params if self._outer == "second_order" else point)

    def _perturbed(self, params: Parameters) -> Parameters:
        moved = [
            method.perturb(own)
            for method, own in zip(self._methods, self._network.parts(params), strict=True)
        ]
        elsewhere = [each for each in moved if each is not None]
        if not elsewhere:
            return params
        return {name: self._network.stacked([each[name] for each in elsewhere]) for name in params}

    def _descend(
        self, steps: Sequence[InnerStep], point: Parameters, encoded: Tensor, batches: Sequence[Batch]
    ) -> Parameters:
        """Move what the steps move; each student sees its own loss alone."""
        network, name, moves = self._network, steps[0].name, steps[0].moves
        outputs = map(network.read, network.outside(point), network.apart(encoded))
        losses = [step.loss(said, batch) for step, said, batch in zip(steps, outputs, batches, strict=True)]
        names = [each for each in point if moves == "all" or is_encoder(each) == (moves == "encoder")]
        gradients = network.gradients(
            reduce(torch.add, losses), point, names, differentiable=self._outer == "second_order"
        )
        for loss, own, batch in zip(losses, network.parts(gradients), batches, strict=True):
            batch.monitor.observe(f"loss/{name}", loss)
            batch.monitor.observe(f"inner_norm/{name}", clip(own, self._settings.inner_clip))
        rate = batches[0].rate if self._settings.inner_rate is None else self._settings.inner_rate
        return point | self._updated({each: point[each] for each in names}, gradients, rate)

    def _updated(self, params: Parameters, gradients: Parameters, rate: float) -> Parameters:
        if self._outer == "second_order":
            return {name: value - rate * gradients[name] for name, value in params.items()}
        with torch.no_grad():
            if self._settings.inner_optimiser == "adamw":
                moved = {name: value.clone() for name, value in params.items()}
                self._adamw.step(moved, gradients, rate)
            else:
                values = torch._foreach_add(list(params.values()), list(gradients.values()), alpha=-rate)
                moved = dict(zip(params, values, strict=True))
        return {name: value.requires_grad_() for name, value in moved.items()}


@torch.no_grad()
def _keep(point: Parameters, params: Parameters) -> None:
    for name, value in point.items():
        if value is not params[name]:
            params[name].copy_(value)
