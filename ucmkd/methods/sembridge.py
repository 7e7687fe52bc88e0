"""Choose for every student sample a teacher row of its class, again and again, and distil from that.

No pairs are needed: labels of both sides confine the choice to a class, and within it the row is taken that
suits the student best at the time. Choices are kept by sample and renewed when the sample is first met in or
after a refresh epoch; the gaps between refreshes grow.

What differs from the paper: its first matcher is trained by contrast of spectral bands with colour images,
which other modalities do not have, so both rules here are nearest neighbours. Its two transport terms on
features refined by attention are one CORAL term between the student's features and the chosen ones. And a
choice is renewed from what the student says in the training step that meets the sample, not in a pass over
all samples.

Traps: the lowest divergence finds the teacher row that agrees most with the student already, which is the
row with least to teach. Cosines compare the student's embedding with the teacher's through a projector that
is random at the start; they mean little until the features are aligned. Where pairs exist they are not
used.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ucmkd.methods import base
from ucmkd.methods.shared.class_statistics import bank_of, known_classes, matched_mean
from ucmkd.methods.shared.divergences import divergence
from ucmkd.methods.shared.moments import covariance_gaps
from ucmkd.methods.shared.within_class_matching import (
    best_in_class,
    cross_divergence,
    last_refresh,
)

LAMBDA_RANGES = {"lambda1": (0.05, 1.0)}
"""Where tuning looks for the share of the distillation."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How rows are matched, when, and the weights.

    Attributes
    ----------
    match : "kl" or "cosine"
        The lowest divergence of the student's prediction from the teacher's, or the highest cosine of the
        features.
    lambda1 : float
        Of the distillation; CORAL has the rest of 1.
    temperature : float
        Of the distillation, and of the matching by divergence.
    first_refresh, interval, growth : int
        Samples are matched in epoch 1, again in epoch ``first_refresh``, then after ``interval`` epochs,
        and every gap is longer than the one before by ``growth``.
    """

    match: Literal["kl", "cosine"] = "kl"
    lambda1: float = 0.5
    temperature: float = 4.0
    first_refresh: int = 2
    interval: int = 2
    growth: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.lambda1 <= 1:
            raise ValueError(f"lambda1 is {self.lambda1}; it must lie in [0, 1]")
        if not self.temperature > 0:
            raise ValueError(f"temperature is {self.temperature}; it must be above 0")
        for name, least in (("first_refresh", 2), ("interval", 1), ("growth", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}; it counts epochs, at least {least}")


class Method(base.Method[Settings]):
    r"""Wei et al., "Asymmetric cross-modal knowledge distillation" (SemBridge), arXiv:2511.08901.

    .. math:: CE + \lambda_1 T^2 KL(p^t_{a(i)} \| p^s_i) + (1 - \lambda_1) \lVert C_S - C_T \rVert_F^2 / 4 d^2

    with :math:`a(i)` the teacher row chosen for sample i, and :math:`C` the covariances of the student's
    features and of the chosen ones. Refreshes are due in the epochs
    :math:`e_t = e_0 + \sum_{i \le t} (\Delta + \mu (i - 1))`.
    """

    label = "SemBridge"
    needs = base.Needs(teacher=frozenset({"features", "logits"}), student_labels=True, teacher_labels=True)
    tuned = LAMBDA_RANGES
    Settings = Settings

    def prepare(self, context: base.Context) -> nn.Module | None:
        self._bank = bank_of(context)
        self._known = known_classes(self._bank, context.classes)
        device = self._bank.labels.device
        self._chosen = torch.zeros(context.samples, dtype=torch.int64, device=device)
        self._chosen_in = torch.zeros(context.samples, dtype=torch.int64, device=device)
        return None

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        s, bank = self.settings, self._bank
        chosen = self._choices(student, batch)
        matched = None if self._known is None else self._known[batch.labels]
        rows = divergence("forward", student.logits, bank.logits[chosen], temperature=s.temperature)
        counted = student.features.new_ones(len(chosen), 1)
        counted = counted if matched is None else counted * matched.unsqueeze(1)
        gap = covariance_gaps(student.features, bank.features[chosen], counted, counted).sum()
        return {
            "loss/task": batch.task_loss(student.logits),
            "loss/distillation": s.lambda1 * s.temperature**2 * matched_mean(rows, matched),
            "loss/coral": (1 - s.lambda1) * gap / (4 * student.features.shape[1] ** 2),
        }

    @torch.no_grad()
    def _choices(self, student: base.Outputs, batch: base.Batch) -> Tensor:
        """Give the teacher row of each sample, chosen anew where that is due."""
        if batch.rows is None:
            raise TypeError("a method that remembers samples is told which ones it meets")
        s, bank = self.settings, self._bank
        due = last_refresh(batch.epoch, s.first_refresh, s.interval, s.growth)
        stale = self._chosen_in[batch.rows] < due
        batch.monitor.observe("matching/renewed", stale.float().mean())
        if bool(stale.any()):
            if s.match == "cosine":
                suits = F.normalize(student.features, dim=1) @ F.normalize(bank.features, dim=1).T
            else:
                suits = -cross_divergence(bank.logits, student.logits, s.temperature).T
            found = best_in_class(suits, batch.labels, bank.labels)
            self._chosen[batch.rows] = torch.where(stale, found, self._chosen[batch.rows])
            self._chosen_in[batch.rows] = batch.epoch
        return self._chosen[batch.rows]
