"""Distil from a mixture of masked teachers, some of which see both modalities, in three stages.

Stage 1 trains a teacher of both modalities together with the student. Stage 2 trains masks on the teachers'
features that make each say what the student says. Stage 3 sends every sample to the masked teacher that a
gate picks. Needs instances that correspond, since a teacher of both modalities reads one instance twice.

What differs from the paper:

- One training, not three: the stages are shares of the same steps. The student learns from the labels in
  all of them, also in the second, where the paper leaves it alone: under a common optimiser and batch
  normalisation a student without a loss would move anyhow, and would lose steps that other methods get.
- The teacher of one modality stays frozen and is read from its cached features. Its own part of the joint
  training of stage 1 is left out; the student and the other teacher still agree with it in both directions.
- The teacher of both modalities is a small network on the teacher's and the student's features, each
  standardised, instead of a network with encoders of its own. No gradient goes through it into the
  student's encoder. It is frozen after stage 1 and the student it reads is not.
- Masks act on the teacher's pooled feature. The paper masks two layers of each teacher; here the masks of
  one teacher differ in their first weights. Those of the last step of stage 2 are kept, not the best on
  validation data.
- Weights stay as they are set, where the authors' code lets them fall with the epochs; and the gate has a
  rectifier between its two layers, without which it would be one.

Trap: the choice of a teacher is not differentiable, so in the paper's loss the gate learns from the balance
term alone, which rewards sending samples to all teachers alike.
"""

import math
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ucmkd.methods import base
from ucmkd.methods.shared.channel_mask import ChannelMask
from ucmkd.methods.shared.class_statistics import bank_of, matched_mean
from ucmkd.methods.shared.divergences import divergence
from ucmkd.methods.shared.feature_alignment import teacher_rows
from ucmkd.methods.shared.seeded_modules import seeded

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The stages, the teachers and the weights of stage 3.

    Attributes
    ----------
    weight, balance_weight : float
        Of the divergence from the chosen teachers, and of the balance between teachers.
    temperature : float
        Of all divergences.
    stage1, stage2 : float
        Shares of the training; stage 3 has the rest.
    masks : int
        Masked versions of each of the two teachers.
    top : int
        Teachers that a sample is sent to.
    token_width, heads : int
        Of the attention in a mask.
    """

    weight: float = 1.0
    balance_weight: float = 1.0
    temperature: float = 4.0
    stage1: float = 0.1
    stage2: float = 0.3
    masks: int = 2
    top: int = 1
    token_width: int = 8
    heads: int = 2

    def __post_init__(self) -> None:
        for name in ("weight", "balance_weight"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 0")
        if not self.temperature > 0:
            raise ValueError(f"temperature is {self.temperature}; it must be above 0")
        if not (min(self.stage1, self.stage2) > 0 and self.stage1 + self.stage2 < 1):
            raise ValueError(
                f"stage1 and stage2 are {self.stage1} and {self.stage2}; both must be above 0 and leave a "
                "share to the third stage"
            )
        if self.masks < 1:
            raise ValueError(f"masks is {self.masks}; each teacher needs at least 1")
        if not 1 <= self.top <= 2 * self.masks:
            raise ValueError(f"top is {self.top}; there are {2 * self.masks} masked teachers to choose from")
        if self.heads < 1 or self.token_width < 1 or self.token_width % self.heads:
            raise ValueError(
                f"token_width is {self.token_width}; it must be a multiple of heads ({self.heads})"
            )


class Fusion(nn.Module):
    """A teacher of both modalities: late fusion of two features by one hidden layer."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, classes))

    def forward(self, taught: Tensor, own: Tensor) -> Tensor:
        """Give logits (n, classes) of teacher and student features (n, d), blind to their scale."""
        sides = [F.layer_norm(side, side.shape[1:]) for side in (taught, own)]
        logits: Tensor = self.layers(torch.cat(sides, 1))
        return logits


class Method(base.Method[Settings]):
    r"""Li et al., "MST-Distill", ACM MM 2025, arXiv:2507.07015.

    With logits :math:`s` of the student, :math:`t` of the teacher, :math:`f` of the fusion, :math:`m_j` of
    the masked teachers, :math:`D(a, b) = T^2 KL(p_a \| p_b)` and gate scores :math:`g`: stage 1
    :math:`CE(s) + CE(f) + \sum_{a \neq b \in \{s, t, f\}} D(a, b)`, without stop-gradient; stage 2
    :math:`\sum_j D(sg[s], m_j)`; stage 3 :math:`CE(s) + D(sg[m_{\arg\max g}], s) + KL(u \| \bar g)`, with
    :math:`u` uniform and :math:`\bar g` the batch mean.
    """

    label = "MST-Distill"
    needs = base.Needs(
        teacher=frozenset({"features", "logits", "head"}), correspondence="instance", student_labels=True
    )
    Settings = Settings

    def prepare(self, context: base.Context) -> nn.Module | None:
        s, width, classes = self.settings, context.width, context.classes
        self._head, draw, teachers = bank_of(context).head, context.generator, 2 * s.masks

        def masks() -> nn.ModuleList:
            return nn.ModuleList(ChannelMask(width, s.token_width, s.heads) for _ in range(teachers))

        def gate() -> nn.Sequential:
            return nn.Sequential(nn.Linear(classes, 2 * classes), nn.ReLU(), nn.Linear(2 * classes, teachers))

        self._fusion = seeded(lambda: Fusion(width, classes), draw)
        self._masks = seeded(masks, draw)
        self._gate = seeded(gate, draw)
        # The optimiser goes on decaying weights whose gradient is zero: what a stage has finished is copied.
        self._kept_fusion: nn.Module | None = None
        self._kept_masks: nn.ModuleList | None = None
        return nn.ModuleList([self._fusion, self._masks, self._gate])

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        s, task = self.settings, {"loss/task": batch.task_loss(student.logits)}
        if batch.progress < s.stage1:
            return task | self._joint(student, batch)
        if self._kept_fusion is None:
            self._kept_fusion = _frozen(self._fusion)
        if batch.progress < s.stage1 + s.stage2:
            return task | {"loss/masks": self._masking(student, batch, self._kept_fusion)}
        if self._kept_masks is None:
            self._kept_masks = _frozen(self._masks)
        return task | self._mixture(student, batch, self._kept_fusion, self._kept_masks)

    def _joint(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        """Stage 1: train the fusion, and let all three agree."""
        teacher = teacher_rows(batch)
        fused = self._fusion(teacher.features, student.features.detach())
        rows = F.cross_entropy(fused, batch.labels, reduction="none")
        voices = [student.logits, teacher.logits, fused]
        mutual = torch.stack([self._divergence(a, b) for a in voices for b in voices if a is not b])
        return {
            "loss/fusion": matched_mean(rows, teacher.matched),
            "loss/mutual": matched_mean(mutual.sum(0), teacher.matched),
        }

    def _masking(self, student: base.Outputs, batch: base.Batch, fusion: nn.Module) -> Tensor:
        """Stage 2: train the masks to make teachers say what the student says."""
        target = student.logits.detach()
        said = self._masked(student, batch, fusion, self._masks)
        rows = torch.stack([self._divergence(target, logits) for logits in said])
        return matched_mean(rows.sum(0), teacher_rows(batch).matched)

    def _mixture(
        self, student: base.Outputs, batch: base.Batch, fusion: nn.Module, masks: Iterable[nn.Module]
    ) -> dict[str, Tensor]:
        """Stage 3: copy the masked teachers that the gate chooses."""
        with torch.no_grad():
            said = self._masked(student, batch, fusion, masks)
        rows = torch.stack([self._divergence(logits, student.logits) for logits in said], 1)
        scores = F.softmax(self._gate(student.logits), 1)
        chosen = scores.topk(self.settings.top, dim=1).indices
        ways = torch.arange(len(said), device=chosen.device)
        batch.monitor.observe("routing/busiest", (chosen.unsqueeze(2) == ways).float().mean((0, 1)).max())
        balance = -scores.mean(0).clamp(min=1e-30).log().mean() - math.log(len(said))
        distillation = matched_mean(rows.gather(1, chosen).mean(1), teacher_rows(batch).matched)
        return {
            "loss/distillation": self.settings.weight * distillation,
            "loss/balance": self.settings.balance_weight * balance,
        }

    def _masked(
        self, student: base.Outputs, batch: base.Batch, fusion: nn.Module, masks: Iterable[nn.Module]
    ) -> list[Tensor]:
        """Give the logits of the masked teachers, those of one modality first."""
        features, own = teacher_rows(batch).features, student.features.detach()
        masked = [mask(features) for mask in masks]
        alone, both = masked[: self.settings.masks], masked[self.settings.masks :]
        return [*(self._head(f) for f in alone), *(fusion(f, own) for f in both)]

    def _divergence(self, target: Tensor, learner: Tensor) -> Tensor:
        temperature = self.settings.temperature
        return temperature**2 * divergence("forward", learner, target, temperature=temperature)


def _frozen(module: M) -> M:
    return deepcopy(module).requires_grad_(False)
