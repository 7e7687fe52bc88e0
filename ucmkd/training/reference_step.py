"""A step of UCMKD as the authors' code computes it, with modules: what our step is measured against.

Nothing trains by it. Every batch copies the student, asks the teacher anew, differentiates through the
iterations of a library's Sinkhorn solver, and builds an inner optimiser.
"""

from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ucmkd.training.network import Network

ITERATIONS = 100


@dataclass
class ReferenceStep:
    """The released bi-level update of one student.

    Attributes
    ----------
    student : Network
        Updated in place.
    teacher : Network
        Frozen, in evaluation mode, of the student's embedding width.
    optimiser : torch.optim.Optimizer
        Of the student.
    reg : float
        Entropic regularisation, in units of the cosine cost.
    inner_rate, inner_weight_decay : float
        Of the AdamW that is built for every batch.
    clip_norm : float
        Of the outer gradient.

    References
    ----------
    Tran et al., arXiv:2606.10504, and the code released with it.
    """

    student: Network
    teacher: Network
    optimiser: torch.optim.Optimizer
    reg: float = 0.1
    inner_rate: float = 1e-5
    inner_weight_decay: float = 0.05
    clip_norm: float = 5.0

    def step(self, inputs: Tensor, labels: Tensor, teacher_inputs: Tensor) -> None:
        """Take one step.

        Parameters
        ----------
        inputs : Tensor, shape (n, ...)
            The student's.
        labels : Tensor, shape (n,)
        teacher_inputs : Tensor, shape (m, ...)
        """
        adapted = deepcopy(self.student).train()
        inner = torch.optim.AdamW(
            adapted.parameters(), lr=self.inner_rate, weight_decay=self.inner_weight_decay
        )
        with torch.no_grad():
            teaching = self.teacher(teacher_inputs).features
        _descend(inner, self._feature_alignment(adapted(inputs).features, teaching))
        _descend(inner, self._label_alignment(adapted, adapted(inputs).features.detach(), labels))
        loss = F.cross_entropy(adapted(inputs).logits, labels)
        gradients = torch.autograd.grad(loss, list(adapted.parameters()))
        for parameter, gradient in zip(self.student.parameters(), gradients, strict=True):
            parameter.grad = gradient
        nn.utils.clip_grad_norm_(self.student.parameters(), self.clip_norm)
        self.optimiser.step()
        for buffer, moved in zip(self.student.buffers(), adapted.buffers(), strict=True):
            buffer.copy_(moved)

    def _feature_alignment(self, features: Tensor, teaching: Tensor) -> Tensor:
        import ot

        cost = (1 - F.normalize(features) @ F.normalize(teaching).T).clamp(min=0)
        a, b = (cost.new_full((size,), 1 / size) for size in cost.shape)
        plan: Tensor = ot.sinkhorn(a, b, cost, self.reg, numItermax=ITERATIONS, warn=False)
        return (plan * cost).sum()

    def _label_alignment(self, adapted: Network, features: Tensor, labels: Tensor) -> Tensor:
        with torch.no_grad():
            cross = F.cross_entropy(self.teacher.head(features), labels, reduction="none")
            kernel = (-cross).exp()
        return F.cross_entropy(adapted.head(features), labels) - (kernel * cross).mean()


def _descend(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
