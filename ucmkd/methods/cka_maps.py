"""Make the student's layers tell samples apart as the teacher's do, at several depths at once.

What is compared are similarities between the samples of a batch, not places or channels, so that maps of
different sizes and of different modalities can be compared at all. Where teacher rows are drawn anew within
the class, what is left to copy are the similarities of classes.
"""

import torch
from torch import Tensor

from ucmkd.methods import base
from ucmkd.methods.shared.feature_alignment import teacher_rows
from ucmkd.methods.shared.feature_maps import paired_levels
from ucmkd.methods.shared.term_weight import WeightSettings as Settings


def linear_cka(one: Tensor, other: Tensor, matched: Tensor | None = None) -> Tensor:
    r"""Give :math:`\langle K, L\rangle_F / (\lVert K\rVert_F \lVert L\rVert_F)` of centred Gram matrices.

    It does not change with rotations, one scale for all columns, or shifts of either side. On a batch it is
    biased upwards, the more so the fewer rows there are for the columns.

    Parameters
    ----------
    one, other : Tensor, shapes (n, p) and (n, q)
    matched : Tensor of bool, shape (n,), or None
        The rows that count; all of them without it.

    Returns
    -------
    Tensor, shape ()
        In [0, 1]; 0 where a side does not vary.

    References
    ----------
    Kornblith et al., arXiv:1905.00414, section 3 (linear CKA).
    """
    kernel, target = (centred @ centred.T for centred in (_centred(one, matched), _centred(other, matched)))
    norms = kernel.square().sum().clamp(min=1e-24).sqrt() * target.square().sum().clamp(min=1e-24).sqrt()
    return (kernel * target).sum() / norms


def _centred(values: Tensor, matched: Tensor | None) -> Tensor:
    """Take the mean of the rows that count from them, and set the others to 0."""
    if matched is None:
        return values - values.mean(0)
    counts = matched.unsqueeze(1).to(values.dtype)
    return (values - (values * counts).sum(0) / counts.sum().clamp(min=1)) * counts


class Method(base.Method[Settings]):
    r"""Cross-entropy plus 1 - CKA of each pair of feature maps, averaged over their places and over levels.

    Linear centred kernel alignment as a loss; the levels are paired from the deepest backwards.
    """

    label = "CKA (maps)"
    needs = base.Needs(teacher=frozenset({"maps"}), student_maps=True, correspondence="class")
    Settings = Settings

    def losses(self, student: base.Outputs, batch: base.Batch) -> dict[str, Tensor]:
        teacher = teacher_rows(batch)
        levels = [
            1 - linear_cka(own.mean((2, 3)), target.mean((2, 3)), teacher.matched)
            for own, target in paired_levels(student.maps, teacher.maps)
        ]
        count = len(batch.labels) if teacher.matched is None else teacher.matched.sum()
        comparable = torch.as_tensor(count > 1, device=batch.labels.device)
        return {
            "loss/task": batch.task_loss(student.logits),
            "loss/cka": self.settings.weight * torch.stack(levels).mean() * comparable,
        }
