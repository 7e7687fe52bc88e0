"""Optimisers as functions on dictionaries of tensors.

The classes of ``torch.optim`` import the compiler, which takes longer than a short training, and the
functions behind them sort tensors by device, which takes longer than the update of a small network.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

BETAS = (0.9, 0.999)


class Optimiser:
    """SGD with momentum, or AdamW, updating tensors in place; state is kept by name.

    Parameters
    ----------
    kind : "sgd" or "adamw"
    weight_decay : float
    momentum : float
        Of SGD.
    """

    def __init__(self, kind: str, *, weight_decay: float, momentum: float = 0.0) -> None:
        self._adam = kind == "adamw"
        self._decay = weight_decay
        self._momentum = momentum
        self._first: dict[str, Tensor] = {}
        self._second: dict[str, Tensor] = {}
        self._steps: dict[str, Tensor] = {}

    @torch.no_grad()
    def step(self, params: Mapping[str, Tensor], gradients: Mapping[str, Tensor], rate: float) -> None:
        """Update the parameters that have a gradient; the others are neither moved nor decayed."""
        names = list(gradients)
        if not names:
            return
        for name in names:
            if name not in self._first:
                self._start(name, params[name])
        tensors = [params[n] for n in names]
        grads = [_laid_out_as(params[n], gradients[n]) for n in names]
        first = [self._first[n] for n in names]
        if self._adam:
            second, steps = [self._second[n] for n in names], [self._steps[n] for n in names]
            torch._foreach_add_(steps, 1)
            torch._fused_adamw_(tensors, grads, first, second, [], steps, amsgrad=False, beta1=BETAS[0],
                                beta2=BETAS[1], lr=rate, weight_decay=self._decay, eps=1e-8,
                                maximize=False)  # fmt: skip
        else:
            first = first if self._momentum else []
            torch._fused_sgd_(tensors, grads, first, weight_decay=self._decay, momentum=self._momentum,
                              lr=rate, dampening=0.0, nesterov=False, maximize=False,
                              is_first_step=False)  # fmt: skip

    def forget(self) -> None:
        """Start anew: no gradient was seen before."""
        for state in (self._first, self._second, self._steps):
            if state:
                torch._foreach_zero_(list(state.values()))

    def _start(self, name: str, value: Tensor) -> None:
        self._first[name] = torch.zeros_like(value)
        if self._adam:
            self._second[name] = torch.zeros_like(value)
            self._steps[name] = torch.zeros((), device=value.device)


def _laid_out_as(value: Tensor, gradient: Tensor) -> Tensor:
    """Fused updates walk through memory and take both layouts to be the same."""
    return gradient if gradient.stride() == value.stride() else torch.empty_like(value).copy_(gradient)


@torch.no_grad()
def clip(gradients: Mapping[str, Tensor], max_norm: float) -> Tensor:
    """Scale gradients in place so that their joint norm is at most ``max_norm``; return the norm before."""
    tensors = list(gradients.values())
    norm = joint_norm(tensors)
    if max_norm > 0:
        scale = (max_norm / (norm + 1e-6)).clamp(max=1.0)
        torch._foreach_mul_(tensors, scale)
    return norm


def joint_norm(tensors: list[Tensor]) -> Tensor:
    """Norm of tensors of one device as one vector; 0 of none."""
    if not tensors:
        return torch.zeros(())
    norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(tensors)))
    return norm
