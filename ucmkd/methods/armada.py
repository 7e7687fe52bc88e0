"""ARMADA: distil from a black box of which only embeddings are known, one for each of the student's samples.

What the teacher reads here is the array of embeddings, and no network on them is used: a small one, the TS
aligner, is trained on all embeddings at the start of every epoch and frozen while the student learns. Its
predictions are copied sample by sample, so pairs are needed; the manifold loss compares batch means alone
unless it is ``pointwise``. Passes of the aligner are counted as the teacher's and its weights as auxiliary;
making the embeddings is not counted.

What differs from the paper:

- The orthogonal map goes to ``manifold_width`` numbers instead of as many as an embedding has, and so does
  the student's map; embeddings are standardised by their training rows.
- The student keeps the common recipe, which is not that of a language model.

Trap: the paper's theory of the manifold loss is disputed, and its gains are mixed; a shuffled teacher did as
well on some tasks. ``shuffled_teacher`` and ``embeddings: noise`` belong to every result. ``random_teacher``
means nothing here, since there is no network to leave untrained.
"""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from ucmkd.methods import base
from ucmkd.methods.shared.black_box import BlackBoxMethod, BlackBoxSettings, Targets, softened
from ucmkd.methods.shared.feature_alignment import teacher_rows
from ucmkd.methods.shared.manifold import mean_distance, pointwise_distance
from ucmkd.methods.shared.ts_aligner import AlignerOutputs


@dataclass(frozen=True, kw_only=True)
class Settings(BlackBoxSettings):
    """``manifold``: which distance of mapped features, of batch means or of rows, or none."""

    manifold: Literal["euclid", "cosine", "pointwise", "none"] = "euclid"


class Method(BlackBoxMethod[Settings]):
    r"""Sengupta et al., "From images to words", arXiv:2603.10877.

    With logits :math:`a_1, a_2` of the aligner's heads, :math:`b_1, b_2` of the student's, and mapped
    features :math:`m_T, m_S`,

    .. math:: \alpha L_{out} + (1-\alpha)[CE(b_1) + \gamma CE(b_2)] + \beta L_{man}(m_S, m_T), \quad
        L_{out} = T^2 [MSE(p(a_1), p(b_1)) + \gamma MSE(p(a_2), p(b_2))]

    where p is the softmax at temperature T.
    """

    label = "ARMADA"
    needs = base.Needs(teacher=frozenset({"inputs"}), correspondence="instance", teacher_labels=True)
    Settings = Settings

    def _targets(self, said: AlignerOutputs, batch: base.Batch) -> Targets:
        return Targets(*softened(said, self.settings.temperature), teacher_rows(batch).matched)

    def _manifold(self, student: Tensor, teacher: Tensor, rows: base.TeacherRows) -> Tensor | None:
        kind = self.settings.manifold
        if kind == "none":
            return None
        if kind == "pointwise":
            return pointwise_distance(student, teacher, rows.matched)
        return mean_distance(kind, student, teacher)
