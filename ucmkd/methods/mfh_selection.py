"""Distil from a part of the teacher's feature channels only, with a head retrained on them.

The modality focusing hypothesis says that a teacher helps by what is decisive in both modalities. The paper
ranks a teacher's channels by how much they carry of that, from a permutation test on networks of both
modalities that were trained to agree, keeps a part of them, retrains the teacher's head, and distils.

What differs here: only the teacher's rows are at hand before training. A channel's saliency is the rise of
the teacher's own cross-entropy when that channel is permuted among the rows. It tells decisive channels from
idle ones; whether a decisive channel is shared with the student's modality or the teacher's own, it cannot
tell. ``general`` and ``specific`` keep the paper's names for the two ends of the ranking and promise no more
than that: most decisive and least decisive. The gap between the two shows what the choice of channels is
worth, not that the hypothesis holds.

Everything else is KD, also the class-mean form where no row corresponds: it uses the retrained head.
"""

from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor, nn

from ucmkd.methods import base, kd
from ucmkd.methods.shared.channel_selection import channel_saliency, retrained_logits
from ucmkd.methods.shared.class_statistics import bank_of
from ucmkd.methods.shared.feature_alignment import teacher_rows
from ucmkd.methods.shared.soft_targets import SOFT_TARGET_RANGES, SoftTargetSettings


@dataclass(frozen=True, kw_only=True)
class Settings(SoftTargetSettings):
    """Which channels are kept; the rest as for KD.

    Attributes
    ----------
    keep : "general" or "specific"
        The channels of highest or of lowest saliency.
    share : float
        Of the channels; at least one is kept.
    permutations : int
        That a channel's saliency is averaged over.
    """

    keep: Literal["general", "specific"] = "general"
    share: float = 0.5
    permutations: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.share <= 1:
            raise ValueError(f"share is {self.share}; it must lie in (0, 1]")
        if self.permutations < 1:
            raise ValueError(f"permutations is {self.permutations}; it must be at least 1")


class Method(base.Method[Settings]):
    """Xue et al., "The modality focusing hypothesis", ICLR 2023, arXiv:2206.06487, with KD's loss."""

    label = "MFH channel selection"
    needs = base.Needs(teacher=frozenset({"features", "head"}), correspondence="class", teacher_labels=True)
    fallback = "class_mean_soft"
    tuned = SOFT_TARGET_RANGES
    Settings = Settings

    def prepare(self, context: base.Context) -> nn.Module | None:
        s, bank = self.settings, bank_of(context)
        saliency = channel_saliency(bank, context.generator, s.permutations)
        ranked = saliency.argsort(descending=s.keep == "general", stable=True)
        self._kept = ranked[: max(1, round(s.share * len(ranked)))].sort().values
        self._logits = retrained_logits(bank.features[:, self._kept], bank.labels, context.classes)
        self._kd = kd.Method(s)
        return self._kd.prepare(replace(context, teacher=replace(bank, logits=self._logits)))

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        teacher = teacher_rows(batch)
        if teacher.rows is None:
            raise TypeError("a method that replaces the teacher's logits is told which rows it meets")
        taught = replace(teacher, logits=self._logits[teacher.rows])
        return self._kd.losses(student, replace(batch, teacher=taught))
