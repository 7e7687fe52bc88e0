"""ARMADA without pairs: class means of the aligner's predictions instead of one for each sample.

Of ARMADA's terms only the outputs need pairs; the manifold loss compares batch means and stays as it is. The
target of a class is the mean softened prediction of the aligner on all embeddings of that class, taken anew
whenever the aligner has learned. Not in the paper.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from ucmkd.methods import base
from ucmkd.methods.shared.black_box import BlackBoxMethod, BlackBoxSettings, Targets, softened
from ucmkd.methods.shared.class_statistics import bank_of, class_means, known_classes
from ucmkd.methods.shared.manifold import mean_distance
from ucmkd.methods.shared.ts_aligner import AlignerOutputs


@dataclass(frozen=True, kw_only=True)
class Settings(BlackBoxSettings):
    """``manifold``: which distance of the batch means of mapped features, or none."""

    manifold: Literal["euclid", "cosine", "none"] = "euclid"


class Method(BlackBoxMethod[Settings]):
    r"""As ARMADA (arXiv:2603.10877), with :math:`E[p(a) \mid y]` in the place of :math:`p(a)`."""

    label = "ARMADA (unpaired)"
    needs = base.Needs(teacher=frozenset({"inputs"}), student_labels=True, teacher_labels=True)
    Settings = Settings

    def prepare(self, context: base.Context) -> nn.Module | None:
        self._known = known_classes(bank_of(context), context.classes)
        return super().prepare(context)

    def _start_epoch(self, batch: base.Batch) -> None:
        super()._start_epoch(batch)
        with torch.no_grad():
            everything = softened(self._aligner(self._embedded), self.settings.temperature)
        self._means = [class_means(rows, self._labels, self._classes) for rows in everything]
        batch.monitor.ledger.teacher_forwards += len(self._labels) / len(batch.labels)

    def _targets(self, said: AlignerOutputs, batch: base.Batch) -> Targets:
        matched = None if self._known is None else self._known[batch.labels]
        main, auxiliary = self._means
        return Targets(main[batch.labels], auxiliary[batch.labels], matched)

    def _manifold(self, student: Tensor, teacher: Tensor, rows: base.TeacherRows) -> Tensor | None:
        kind = self.settings.manifold
        return None if kind == "none" else mean_distance(kind, student, teacher)
