"""The TS aligner of ARMADA: what makes a teacher of the embeddings of a black box."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from ucmkd.optimiser import Optimiser

DECAY = 0.01
"""Of AdamW, as usual; the orthogonal map does not notice it."""


@dataclass(frozen=True)
class AlignerOutputs:
    """What the aligner says of embeddings.

    Attributes
    ----------
    logits, map_logits : Tensor, shape (n, classes)
        Of the perceptron, and of the auxiliary head on the map.
    mapped : Tensor, shape (n, width)
        The embeddings under the orthogonal map.
    """

    logits: Tensor
    map_logits: Tensor
    mapped: Tensor


class TSAligner(nn.Module):
    """A perceptron with two hidden layers, and an orthogonal linear map with a head of its own.

    Parameters
    ----------
    embedding, classes : int
        Numbers of an embedding; classes.
    hidden : int
        Width of the perceptron.
    width : int
        Of the map: its rows are orthonormal if it is narrower than the embedding, else its columns are.
    dropout : float
        After both hidden layers, in training.
    """

    def __init__(self, embedding: int, classes: int, *, hidden: int, width: int, dropout: float) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(embedding, hidden), nn.Linear(hidden, hidden)
        self.head = nn.Linear(hidden, classes)
        self.map = nn.Linear(embedding, width, bias=False)
        nn.init.orthogonal_(self.map.weight)
        self.map_head = nn.Linear(width, classes)
        self._dropout = dropout

    def forward(self, embeddings: Tensor, generator: Generator | None = None) -> AlignerOutputs:
        """Read embeddings (n, d); with a generator, values of the hidden layers are dropped as it says."""
        hidden = embeddings
        for layer in (self.first, self.second):
            hidden = self._dropped(F.relu(layer(hidden)), generator)
        mapped = self.map(embeddings)
        return AlignerOutputs(self.head(hidden), self.map_head(mapped), mapped)

    def _dropped(self, values: Tensor, generator: Generator | None) -> Tensor:
        if generator is None:
            return values
        kept = torch.rand(values.shape, generator=generator, device=values.device) >= self._dropout
        return values * kept / (1 - self._dropout)


def nearby_orthogonal(weight: Tensor) -> Tensor:
    """Take a matrix back to those with orthonormal rows (columns, if it is tall): the retraction by QR.

    Parameters
    ----------
    weight : Tensor, shape (m, d)
        Of full rank.

    References
    ----------
    Absil, Mahony and Sepulchre, "Optimization algorithms on matrix manifolds", 2008, example 4.1.3.
    """
    wide = weight.shape[0] < weight.shape[1]
    q, r = torch.linalg.qr(weight.T if wide else weight)
    nearby: Tensor = q * torch.where(r.diagonal() < 0, -1.0, 1.0)
    return nearby.T if wide else nearby


def aligner_loss(said: AlignerOutputs, labels: Tensor, gamma: float) -> Tensor:
    r"""Give :math:`CE(a_1, y) + \gamma\, CE(a_2, y)`."""
    return F.cross_entropy(said.logits, labels) + gamma * F.cross_entropy(said.map_logits, labels)


class AlignerTraining:
    """Trains an aligner pass by pass with AdamW, which remembers its moments from pass to pass.

    Every step ends with a retraction that keeps the map orthogonal. The parametrisation of torch would do the
    same, but it differentiates through as many reflections as the map is wide, which takes hundreds of times
    as long.

    Parameters
    ----------
    aligner : TSAligner
    gamma, rate : float
        Weight of the auxiliary head; learning rate.
    generator : torch.Generator
        Decides the order of rows and what is dropped.
    """

    def __init__(self, aligner: TSAligner, *, gamma: float, rate: float, generator: Generator) -> None:
        self._aligner, self._gamma, self._rate, self._draw = aligner, gamma, rate, generator
        self._params: dict[str, Tensor] = dict(aligner.named_parameters())
        self._optimiser = Optimiser("adamw", weight_decay=DECAY)

    def run(self, embeddings: Tensor, labels: Tensor, batch_size: int) -> tuple[float, int]:
        """Take one pass over all rows in random order.

        Parameters
        ----------
        embeddings, labels : Tensor, shapes (m, d) and (m,)
        batch_size : int
            The last batch may be smaller.

        Returns
        -------
        loss : float
            Mean over batches, before each was learned from.
        steps : int
        """
        order = torch.randperm(len(labels), generator=self._draw, device=labels.device)
        losses = []
        for rows in torch.split(order, batch_size):
            loss = aligner_loss(self._aligner(embeddings[rows], self._draw), labels[rows], self._gamma)
            gradients = torch.autograd.grad(loss, list(self._params.values()))
            self._optimiser.step(self._params, dict(zip(self._params, gradients, strict=True)), self._rate)
            with torch.no_grad():
                self._aligner.map.weight.copy_(nearby_orthogonal(self._aligner.map.weight))
            losses.append(loss.detach())
        return float(torch.stack(losses).mean()), len(losses)
