"""Probabilistic knowledge transfer: copy the teacher's probabilities that one sample is another's neighbour.

Neighbourhoods are made of cosines within each space, so two modalities need no common geometry. In pairs it
is the neighbourhood of an instance that is copied; where teacher rows are only of the same class, it is
that of some member of the class among members of the other samples' classes.

Trap: the probabilities of large batches are all near one over the batch size and their divergence is tiny,
hence the weight of 30000; it depends on the batch size and is to be tuned.
"""

from dataclasses import dataclass

from torch import Tensor

from ucmkd.methods import base
from ucmkd.methods.shared.corresponding_features import corresponding_features
from ucmkd.methods.shared.relations import neighbour_divergence
from ucmkd.methods.shared.term_weight import WeightSettings


@dataclass(frozen=True, kw_only=True)
class Settings(WeightSettings):
    """``weight``: of the divergence, averaged over all entries of the matrix of probabilities."""

    weight: float = 30000.0


class Method(base.Method[Settings]):
    """Cross-entropy plus the weighted divergence between neighbourhoods; Passalis, Tefas, ECCV 2018.

    A sample is no neighbour of itself, as in the paper; the authors' code counts it as one.
    """

    label = "PKT"
    needs = base.Needs(teacher=frozenset({"features"}), correspondence="class")
    Settings = Settings

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        divergence = neighbour_divergence(student.features, *corresponding_features(batch))
        return {
            "loss/task": batch.task_loss(student.logits),
            "loss/neighbours": self.settings.weight * divergence,
        }
