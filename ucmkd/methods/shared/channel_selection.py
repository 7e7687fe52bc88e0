"""Which channels a linear classifier relies on, and a new classifier on some of them alone."""

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from ucmkd.methods.base import TeacherBank


@torch.no_grad()
def channel_saliency(bank: TeacherBank, generator: Generator, permutations: int) -> Tensor:
    """Measure by how much the cross-entropy rises when one channel is permuted among the rows.

    The head is linear, so a permuted channel moves the logits by its own column alone.

    Parameters
    ----------
    bank : TeacherBank
        Of m rows of width d.
    generator : torch.Generator
    permutations : int
        Averaged over; the same for all channels, so that channels are compared alike.

    Returns
    -------
    Tensor, shape (d,)
        In nats; negative where a permuted channel does better.
    """
    features, labels = bank.features, bank.labels
    rows, width = features.shape
    logits = bank.head(features)
    identity = torch.eye(width, dtype=features.dtype, device=features.device)
    columns = bank.head(identity) - bank.head(torch.zeros_like(identity))
    usual = F.cross_entropy(logits, labels)
    rises = torch.zeros(width, dtype=features.dtype, device=features.device)
    for _ in range(permutations):
        order = torch.randperm(rows, generator=generator, device=generator.device).to(labels.device)
        moved = features[order] - features
        for channel in range(width):
            permuted = logits + moved[:, channel, None] * columns[channel]
            rises[channel] += F.cross_entropy(permuted, labels) - usual
    return rises / permutations


@torch.no_grad()
def retrained_logits(
    features: Tensor, labels: Tensor, classes: int, *, ridge: float = 1e-3, steps: int = 500
) -> Tensor:
    r"""Fit multinomial logistic regression to rows and give its logits of the same rows.

    Minimises the mean cross-entropy plus :math:`\tfrac{\rho}{2} \lVert W \rVert^2` on standardised features,
    bias free of charge, by accelerated gradient steps on all rows at once: deterministic and from zero.

    Parameters
    ----------
    features : Tensor, shape (m, d)
    labels : Tensor, shape (m,)
    classes : int
    ridge : float
        :math:`\rho`.
    steps : int

    Returns
    -------
    Tensor, shape (m, classes)

    References
    ----------
    Nesterov, "A method of solving a convex programming problem with convergence rate O(1/k²)", 1983. The step
    is the inverse of Böhning's bound on the curvature, Ann. Inst. Stat. Math. 44, 1992.
    """
    spread = features.std(0, correction=0)
    inputs = (features - features.mean(0)) / torch.where(spread > 0, spread, 1.0)
    inputs = torch.cat([inputs, torch.ones_like(inputs[:, :1])], 1)
    targets = (labels.unsqueeze(1) == torch.arange(classes, device=labels.device)).to(inputs.dtype)
    penalty = torch.full((inputs.shape[1], 1), ridge, dtype=inputs.dtype, device=inputs.device)
    penalty[-1] = 0
    rate = 1 / (0.5 * torch.linalg.eigvalsh(inputs.T @ inputs)[-1] / len(inputs) + ridge)
    weights = ahead = torch.zeros(inputs.shape[1], classes, dtype=inputs.dtype, device=inputs.device)
    for step in range(steps):
        errors = F.softmax(inputs @ ahead, 1) - targets
        moved = ahead - rate * (inputs.T @ errors / len(inputs) + penalty * ahead)
        weights, ahead = moved, moved + step / (step + 3) * (moved - weights)
    return inputs @ weights
