r"""N-to-one matching: a wide linear copy of the student's feature holds N copies of the teacher's.

A linear pair stands between the student's feature and its head while training: it expands the feature to N
segments as wide as the teacher's, each of which shall equal the teacher's feature, and contracts them back
onto the feature. The student's head reads the sum, so what was learned to match the teacher also serves the
task. Being linear, the pair is folded into the head in the end: the student that is scored and kept has no
extra part.

Pooled features of two modalities share a geometry only through the projector and this pair. Each segment is
matched by a squared distance: where teacher rows are drawn anew within the class, the class mean is
matched, as in ``fitnet``.

Trap: a pair that the head does not read is a linear regression from the student's feature to N equal
targets, which is ``fitnet`` N times.
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from ucmkd.errors import ConfigError
from ucmkd.methods import base
from ucmkd.methods.shared.class_statistics import matched_mean
from ucmkd.methods.shared.corresponding_features import corresponding_features
from ucmkd.methods.shared.seeded_modules import seeded
from ucmkd.methods.shared.term_weight import WeightSettings


@dataclass(frozen=True, kw_only=True)
class Settings(WeightSettings):
    """``segments``: copies of the teacher's feature, N in the paper."""

    segments: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.segments < 1:
            raise ValueError(f"segments is {self.segments}; it must be at least 1")


class LinearPair(nn.Module):
    """Expands features (n, width) to (n, segments * width), and contracts them back."""

    def __init__(self, width: int, segments: int) -> None:
        super().__init__()
        self.expand = nn.Linear(width, segments * width)
        self.contract = nn.Linear(segments * width, width)


class Method(base.Method[Settings]):
    r"""Cross-entropy of :math:`h(f + C E f)` plus :math:`w \sum_k \lVert (E f)_k - z^T\rVert^2 / d`.

    With E the expanding and C the contracting layer, both with bias. Liu, Li, Li, Yao, ICLR 2023,
    arXiv:2305.13803; without the distillation of logits, the batch normalisation of the pair and the changing
    weight of the authors' code.
    """

    label = "NORM"
    needs = base.Needs(teacher=frozenset({"features"}), student_head=True, correspondence="class")
    Settings = Settings

    def prepare(self, context: base.Context) -> nn.Module | None:
        self._pair = seeded(lambda: LinearPair(context.width, self.settings.segments), context.generator)
        return self._pair

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        teacher, matched = corresponding_features(batch)
        expanded = self._pair.expand(student.features)
        segments = expanded.unflatten(1, (self.settings.segments, -1))
        distances = (segments - teacher.unsqueeze(1)).square().mean(2).sum(1)
        return {
            "loss/task": batch.task_loss(student.logits + _added(student, self._pair.contract(expanded))),
            "loss/matching": self.settings.weight * matched_mean(distances, matched),
        }

    @torch.no_grad()
    def fold(self, params: base.Parameters, auxiliary: nn.Module) -> base.Parameters:
        """Give the head of the bare feature: :math:`W(I + CE)`, :math:`b + W(C b_E + b_C)`."""
        pair = cast(LinearPair, auxiliary)
        weight, contract = params["head.weight"], pair.contract.weight
        shift = contract @ pair.expand.bias + pair.contract.bias
        return params | {
            "head.weight": weight + weight @ contract @ pair.expand.weight,
            "head.bias": params["head.bias"] + weight @ shift,
        }


def _added(student: base.Outputs, residual: Tensor) -> Tensor:
    """Give what a residual of the feature adds to the logits: the head is affine.

    Raises
    ------
    ConfigError
        If the head does not read this feature.
    """
    if student.head is None:
        raise ConfigError(
            "norm: the head reads the encoder's own feature, not the one that is matched, so the linear pair "
            "cannot be folded into it; set project to student, or leave the method out"
        )
    return student.head(residual) - student.head(torch.zeros_like(residual[:1]))
