"""What one run is supplied with: the rows that it learns and chooses by, and what a teacher says of them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ucmkd.data.sampling import Meeting, Sampler
from ucmkd.methods.base import TeacherBank, TeacherPart, TeacherRows
from ucmkd.training.inputs import Inputs
from ucmkd.training.monitor import Ledger
from ucmkd.training.network import Network, maps_of, watched
from ucmkd.training.transfer import on_device


@dataclass(frozen=True)
class LiveTeacher:
    """A frozen teacher in evaluation mode, and the inputs of the bank's rows."""

    network: Network
    inputs: Inputs


@dataclass(frozen=True)
class Supply:
    """The data one run trains on.

    Attributes
    ----------
    inputs : Inputs
        The training pool.
    labels : Tensor, shape (n,)
        -1 where hidden.
    sampler : Sampler
    validation : Inputs
    validation_labels : array, shape (v,)
    bank : TeacherBank or None
        The teacher rows that batches meet; None if the method takes nothing of them.
    teacher : LiveTeacher or None
        The teacher itself, for methods that need it at work.
    reference : tuple of array and Tensor, or None
        Validation positions, and teacher validation features to measure the student's features against.
    """

    inputs: Inputs
    labels: Tensor
    sampler: Sampler
    validation: Inputs
    validation_labels: NDArray[np.int64]
    bank: TeacherBank | None = None
    teacher: LiveTeacher | None = None
    reference: tuple[NDArray[np.int64], Tensor] | None = None

    def taught(
        self, meeting: Meeting, wanted: frozenset[TeacherPart], ledger: Ledger, device: str
    ) -> TeacherRows | None:
        """Gather what the teacher says of the rows that are met, if it says anything.

        Few methods ask for more: the teacher's inputs, or its feature maps, which cost a pass.
        """
        if self.bank is None:
            return None
        bank, rows = self.bank, on_device(meeting.teacher, device)
        matched = None if meeting.matched is None else on_device(meeting.matched, device)
        found: dict[str, Any] = {}
        if bank.inputs is not None:
            found["inputs"] = bank.inputs[rows]
        if self.teacher is not None and "live" in wanted:
            found["inputs"] = self.teacher.inputs[meeting.teacher]
        if self.teacher is not None and "maps" in wanted:
            ledger.teacher_forwards += 1
            encoder = self.teacher.network.encoder
            with torch.no_grad(), watched(encoder) as seen:
                encoder(self.teacher.inputs[meeting.teacher])
            found["maps"], found["preactivations"] = maps_of(encoder, seen, len(rows))
        return TeacherRows(bank.features[rows], bank.logits[rows], bank.labels[rows], matched, rows, **found)

    def task_loss(self, labels: Tensor, smoothing: float) -> Callable[..., Tensor]:
        """Give the task loss of a batch with these labels (see :class:`ucmkd.methods.base.Batch`)."""

        def task_loss(logits: Tensor, label_smoothing: float = smoothing) -> Tensor:
            if not self._some_hidden:
                return F.cross_entropy(logits, labels, label_smoothing=label_smoothing)
            total = F.cross_entropy(
                logits, labels, label_smoothing=label_smoothing, ignore_index=-1, reduction="sum"
            )
            return total / (labels >= 0).sum().clamp(min=1)

        return task_loss

    @cached_property
    def _some_hidden(self) -> bool:
        return bool((self.labels < 0).any())
