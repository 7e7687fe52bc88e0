"""Noise-contrastive estimation against a memory of embeddings, one entry a training sample."""

import math

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F


class Memory(nn.Module):
    """Unit vectors (size, dimensions), random at the start, that follow the embeddings of their samples."""

    entries: Tensor
    log_constant: Tensor | None

    def __init__(self, size: int, dimensions: int) -> None:
        super().__init__()
        self.register_buffer("entries", F.normalize(torch.randn(size, dimensions), dim=1))
        self.register_buffer("log_constant", None)

    def contrast(self, anchors: Tensor, rows: Tensor, counts: Tensor, temperature: float) -> Tensor:
        r"""Ask of each anchor which entry is its own.

        .. math:: -\log h(i, \text{own}) - \sum_{j} c_{ij} \log(1 - h(i, j)), \qquad
                  h(i, j) = \frac{e^{a_i^\top m_j/\tau} / Z}{e^{a_i^\top m_j/\tau} / Z + K}

        with K negatives and Z the mean exponential over the anchors and entries of the first batch, which
        stands for the constant that makes the scores densities.

        Parameters
        ----------
        anchors : Tensor, shape (n, dimensions)
            Unit vectors of the other side.
        rows : Tensor of int, shape (n,)
            The entries that are their own.
        counts : Tensor, shape (n, size)
            How often each entry serves as a negative.
        temperature : float

        Returns
        -------
        Tensor, shape (n,)

        References
        ----------
        Tian, Krishnan, Isola, "Contrastive representation distillation", arXiv:1910.10699.
        """
        scores = anchors @ self.entries.T / temperature
        if self.log_constant is None:
            self.log_constant = scores.detach().logsumexp((0, 1)) - math.log(scores.numel())
        odds = self.log_constant + counts.sum(1, keepdim=True).clamp(min=1).log()
        own = (anchors * self.entries[rows]).sum(1) / temperature - odds.squeeze(1)
        return F.softplus(-own) + (counts * F.softplus(scores - odds)).sum(1)

    @torch.no_grad()
    def follow(self, embedded: Tensor, rows: Tensor, momentum: float) -> None:
        """Move entries towards the embeddings of their samples, along the sphere."""
        moved = F.normalize(momentum * self.entries[rows] + (1 - momentum) * embedded, dim=1)
        # The gradient of the step still reads the entries as they were.
        self.entries = self.entries.index_copy(0, rows, moved)


def negative_counts(rows: Tensor, size: int, negatives: int, generator: Generator) -> Tensor:
    """Draw negatives for each anchor among all entries but its own, with replacement.

    Where as many as all others are asked for, each of them serves once.

    Parameters
    ----------
    rows : Tensor of int, shape (n,)
        The entry that is each anchor's own.
    size, negatives : int
    generator : Generator

    Returns
    -------
    Tensor, shape (n, size)
        How often each entry was drawn.
    """
    own = rows.unsqueeze(1)
    if negatives >= size - 1:
        return torch.ones(len(rows), size, device=rows.device).scatter_(1, own, 0.0)
    drawn = torch.randint(size - 1, (len(rows), negatives), generator=generator, device=generator.device)
    drawn += drawn >= own
    return torch.zeros(len(rows), size, device=rows.device).scatter_add_(
        1, drawn, torch.ones_like(drawn, dtype=torch.float32)
    )
