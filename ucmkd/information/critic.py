"""A small network that scores how well rows of two sides belong together, trained on one half of them."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ucmkd.information.components import leading
from ucmkd.information.estimates import Array
from ucmkd.information.resampling import Rows
from ucmkd.seeding import generator_for, seed_for
from ucmkd.threads import one_thread

DIMENSIONS = 16
"""Components of either side that the critic sees, at most."""

HIDDEN, EMBEDDING = 64, 32
STEPS, LEARNING_RATE, WEIGHT_DECAY = 250, 3e-3, 1e-3
_CHECK_EVERY = 10
_CHOOSING = 4
"""One row in so many of the training half does not train but chooses the step to keep."""

Objective = Callable[[Tensor], Tensor]
"""Turns scores (n, n), row i of one side against column j of the other, into one number."""


class Critic(nn.Module):
    """Score all pairs of rows by the inner product of two embeddings."""

    def __init__(self, p: int, q: int) -> None:
        super().__init__()
        self.of_a, self.of_b = _embedding(p), _embedding(q)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        scores: Tensor = self.of_a(a) @ self.of_b(b).T
        return scores


class Parts(NamedTuple):
    """Row numbers of the part that trains, that which chooses the step, and the held-out half."""

    train: Rows
    choose: Rows
    held_out: Rows


def held_out_scores(a: Array, b: Array, *, loss: Objective, bound: Objective, name: str, seed: int) -> Array:
    """Train a critic on one half of the rows, and score all pairs of the other half.

    Parameters
    ----------
    a, b : array, shapes (n, p) and (n, q)
    loss : callable
        What training makes small.
    bound : callable
        What the kept step makes great, on rows of the training half that do not train.
    name : str
        Of the estimator, for its random numbers.
    seed : int

    Returns
    -------
    array, shape (n / 2, n / 2)
        Row i and column i are of the same sample.
    """
    views = [torch.from_numpy(leading(each, DIMENSIONS)).float() for each in (a, b)]
    parts = _parts(len(a), generator_for(seed, "information", name))
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(seed, "information", name, "weights"))
        critic = Critic(*(view.shape[1] for view in views))
        _train(critic, [[view[rows] for view in views] for rows in parts[:2]], loss, bound)
        with torch.no_grad():
            scores: Array = critic(*(view[parts.held_out] for view in views)).double().numpy()
    return scores


def _embedding(inputs: int) -> nn.Sequential:
    # Bounded units: one held-out row far from the others would otherwise have a score that outweighs all.
    return nn.Sequential(nn.Linear(inputs, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, EMBEDDING))


def _parts(n: int, rng: np.random.Generator) -> Parts:
    order = rng.permutation(n)
    half, choosing = n - n // 2, n // 2 // _CHOOSING
    return Parts(order[choosing : n - half], order[:choosing], order[n - half :])


def _train(critic: Critic, parts: list[list[Tensor]], loss: Objective, bound: Objective) -> None:
    train, choose = parts
    optimiser = torch.optim.AdamW(critic.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    best, kept = _score(critic, choose, bound), _weights(critic)
    for step in range(1, STEPS + 1):
        optimiser.zero_grad()
        loss(critic(*train)).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if step % _CHECK_EVERY == 0 and (reached := _score(critic, choose, bound)) > best:
            best, kept = reached, _weights(critic)
    critic.load_state_dict(kept)


def _score(critic: Critic, rows: list[Tensor], bound: Objective) -> float:
    with torch.no_grad():
        return float(bound(critic(*rows)))


def _weights(critic: Critic) -> dict[str, Tensor]:
    return {name: weight.clone() for name, weight in critic.state_dict().items()}
