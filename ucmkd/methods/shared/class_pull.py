"""Pull every sample of a class to one point, the teacher's mean on that class."""

from torch import Tensor

from ucmkd.methods.base import TeacherBank
from ucmkd.methods.shared.class_statistics import class_means, known_classes, matched_mean


class ClassPull:
    """The squared distance to the teacher's class means.

    Parameters
    ----------
    values : Tensor, shape (m, d)
        Of the bank's rows, features or logits.
    bank : TeacherBank
    classes : int
    """

    def __init__(self, values: Tensor, bank: TeacherBank, classes: int) -> None:
        self._means = class_means(values, bank.labels, classes)
        self._known = known_classes(bank, classes)

    def __call__(self, own: Tensor, labels: Tensor) -> Tensor:
        """Average over entries, and over the samples whose class the teacher has a row of.

        Parameters
        ----------
        own : Tensor, shape (n, d)
        labels : Tensor, shape (n,)
        """
        taught = None if self._known is None else self._known[labels]
        return matched_mean((own - self._means[labels]).square().mean(1), taught)
