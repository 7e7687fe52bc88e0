"""Teacher features that stand beside the student's, for methods that compare row by row."""

from torch import Tensor

from ucmkd.methods.base import Batch
from ucmkd.methods.shared.feature_alignment import teacher_rows


def corresponding_features(batch: Batch) -> tuple[Tensor, Tensor]:
    """Give the teacher's features without gradient (n, d), and which rows correspond (n,)."""
    teacher = teacher_rows(batch)
    if teacher.matched is None:
        raise TypeError("a method that declares correspondence is told in every batch which rows correspond")
    return teacher.features.detach(), teacher.matched
