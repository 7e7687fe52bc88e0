"""Which epoch of a training is kept: the best on the validation split, scored while training goes on."""

import logging
from dataclasses import dataclass

import torch
from torch import Tensor

from ucmkd.errors import TrainingError
from ucmkd.evaluation.metrics import score
from ucmkd.methods.base import Parameters
from ucmkd.training.network import Network
from ucmkd.training.predict import predict
from ucmkd.training.supply import Supply
from ucmkd.transport.divergence import transport_loss

log = logging.getLogger(__name__)
Row = tuple[int, str, float]


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


class Selection:
    """Scores a network epoch by epoch, and keeps its best state.

    Parameters
    ----------
    network : Network
    supply : Supply
    epochs : int
        Of the whole training, for the log.
    """

    def __init__(self, network: Network, supply: Supply, epochs: int) -> None:
        self._network, self._supply, self._epochs = network, supply, epochs
        self._history: list[Row] = []
        self._best: _Best | None = None

    def consider(self, epoch: int, params: Parameters, observed: dict[str, float]) -> None:
        """Score the validation split, and keep the epoch if it is the best so far.

        Ties in accuracy go to the lower loss, then to the earlier epoch.

        Parameters
        ----------
        epoch : int
        params : dict of Tensor
            The weights that are scored, and kept.
        observed : dict
            What the epochs since the last evaluation have shown, for the history.
        """
        said = predict(self._network, params, self._supply.validation)
        scores = score(said.logits.cpu().numpy(), self._supply.validation_labels)
        shown = {"val/accuracy": scores["accuracy"], "val/nll": scores["nll"]}
        rows = sorted((observed | shown | self.alignment(said.features)).items())
        self._history += [(epoch, name, value) for name, value in rows]
        told = " ".join(f"{name} {value:.4g}" for name, value in rows)
        log.info("epoch %d/%d: %s", epoch, self._epochs, told)
        rank = (scores["accuracy"], -scores["nll"])
        if self._best is None or rank > self._best.rank:
            self._best = _Best(rank, epoch, self._snapshot(params), scores)

    def alignment(self, features: Tensor) -> dict[str, float]:
        """Measure how far validation features are from the teacher's, where a reference is given."""
        if self._supply.reference is None:
            return {}
        positions, reference = self._supply.reference
        with torch.no_grad():
            own = features[torch.from_numpy(positions)]
            distance = transport_loss(own, reference, metric="chordal", debias="sinkhorn_divergence")
        return {"alignment/kept": float(distance.value)}

    def fitted(self, costs: dict[str, float]) -> Fitted:
        """Give what training has left.

        Raises
        ------
        TrainingError
            If no epoch was evaluated.
        """
        best = self._best
        if best is None:
            raise TrainingError("no epoch was evaluated; set evaluations to at least 1")
        return Fitted(best.state, self._history, best.epoch, best.scores, costs)

    def _snapshot(self, params: Parameters) -> dict[str, Tensor]:
        state = self._network.state_dict() | params
        return {name: value.detach().clone().cpu() for name, value in state.items()}
