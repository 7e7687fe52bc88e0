"""What contrastive methods are made of: an embedding of each side, and losses on the similarities."""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from ucmkd.methods.shared.class_statistics import matched_mean
from ucmkd.methods.shared.term_weight import WeightSettings


@dataclass(frozen=True, kw_only=True)
class ContrastSettings(WeightSettings):
    """How embeddings are compared.

    Attributes
    ----------
    dimensions : int
        Of the embedding.
    temperature : float
    """

    dimensions: int = 128
    temperature: float = 0.07

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dimensions < 1:
            raise ValueError(f"dimensions is {self.dimensions}; it must be at least 1")
        if not self.temperature > 0:
            raise ValueError(f"temperature is {self.temperature}; it must be above 0")


class Embeddings(nn.Module):
    """A linear map of each side's features (n, width) to unit vectors (n, dimensions)."""

    def __init__(self, width: int, dimensions: int) -> None:
        super().__init__()
        self.student = nn.Linear(width, dimensions)
        self.teacher = nn.Linear(width, dimensions)

    def forward(self, student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
        return F.normalize(self.student(student), dim=1), F.normalize(self.teacher(teacher), dim=1)


def supervised_contrast(similarities: Tensor, positive: Tensor) -> Tensor:
    r"""Ask each anchor to single out the candidates of its class.

    .. math:: -\frac1{|P(i)|} \sum_{p \in P(i)} \log \frac{e^{s_{ip}}}{\sum_j e^{s_{ij}}}

    averaged over the anchors i that have a positive candidate.

    Parameters
    ----------
    similarities : Tensor, shape (n, m)
        Of anchors and candidates, divided by the temperature.
    positive : Tensor of bool, shape (n, m)

    References
    ----------
    Khosla et al., "Supervised contrastive learning", arXiv:2004.11362; the sum stands outside the logarithm.
    """
    counts = positive.sum(1)
    anchors = -(F.log_softmax(similarities, 1) * positive).sum(1) / counts.clamp(min=1)
    return matched_mean(anchors, counts > 0)
