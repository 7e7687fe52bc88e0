"""Contrastive representation distillation: tell one's own instance from all others in a memory.

An embedding of the student's feature must recognise the remembered teacher embedding of the same instance,
and the other way round. That asks for what the two modalities know of single instances, so it is refused
where rows only share a class: there ``supcon_x`` is the honest form. The linear embeddings, trained along,
are where the two modalities get a common geometry.

Negatives are all other instances, whatever their class: no label is read. The "exact" mode of the authors'
code, which leaves the anchor's class out of them, would make a supervised method of it.

Trap: both memories are full of noise until each sample was met once, so the first epoch teaches little; and
the negative term sums over thousands of entries, which makes it steep for small temperatures.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from ucmkd.methods import base
from ucmkd.methods.shared.class_statistics import bank_of, matched_mean
from ucmkd.methods.shared.contrastive import ContrastSettings, Embeddings
from ucmkd.methods.shared.corresponding_features import corresponding_features
from ucmkd.methods.shared.feature_alignment import teacher_rows
from ucmkd.methods.shared.memory_contrast import Memory, negative_counts
from ucmkd.methods.shared.seeded_modules import seeded


@dataclass(frozen=True, kw_only=True)
class Settings(ContrastSettings):
    """The memory.

    Attributes
    ----------
    negatives : int
        Of each anchor, at most as many as there are other entries.
    momentum : float
        Share of the old entry in the new one.
    """

    weight: float = 0.8
    negatives: int = 16384
    momentum: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.negatives < 1:
            raise ValueError(f"negatives is {self.negatives}; it must be at least 1")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum is {self.momentum}; it must lie in [0, 1)")


class Contrast(nn.Module):
    """Both embeddings, and a memory of each side's."""

    def __init__(self, context: base.Context, dimensions: int) -> None:
        super().__init__()
        self.embed = Embeddings(context.width, dimensions)
        self.students = Memory(context.samples, dimensions)
        self.teachers = Memory(len(bank_of(context).labels), dimensions)


class Method(base.Method[Settings]):
    """Cross-entropy plus noise-contrastive estimation in both directions; Tian et al., arXiv:1910.10699.

    Samples without a partner are no anchors; their embeddings are remembered and serve as negatives.
    """

    label = "CRD"
    needs = base.Needs(teacher=frozenset({"features"}), correspondence="instance")
    Settings = Settings

    def prepare(self, context: base.Context) -> nn.Module | None:
        self._draw = context.generator
        self._contrast = seeded(lambda: Contrast(context, self.settings.dimensions), context.generator)
        return self._contrast

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        features, matched = corresponding_features(batch)
        own, partners = _positions(batch)
        contrast, momentum = self._contrast, self.settings.momentum
        embedded, embedded_teacher = contrast.embed(student.features, features)
        anchors = self._against(contrast.teachers, embedded, partners)
        anchors = anchors + self._against(contrast.students, embedded_teacher, own)
        contrast.students.follow(embedded, own, momentum)
        contrast.teachers.follow(embedded_teacher, partners, momentum)
        return {
            "loss/task": batch.task_loss(student.logits),
            "loss/contrast": self.settings.weight * matched_mean(anchors, matched),
        }

    def _against(self, memory: Memory, anchors: Tensor, rows: Tensor) -> Tensor:
        counts = negative_counts(rows, len(memory.entries), self.settings.negatives, self._draw)
        return memory.contrast(anchors, rows, counts, self.settings.temperature)


def _positions(batch: base.Batch) -> tuple[Tensor, Tensor]:
    """Give the positions of the batch in the student's pool and in the teacher's bank."""
    partners = teacher_rows(batch).rows
    if batch.rows is None or partners is None:
        raise TypeError("a method with a memory is told in every batch which rows of the pools it holds")
    return batch.rows, partners
