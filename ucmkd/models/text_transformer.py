"""A small transformer over the words of a text.

Attention is written out: the fused kernels of torch cannot be differentiated twice, as a gradient through
inner updates needs.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ucmkd.data.words import BUCKETS
from ucmkd.models import base
from ucmkd.models.shared.texts import masked_mean, text_length, words_of

NAME = "text_transformer"
HEADS = 4
LAYERS = {"student": 2, "teacher": 4}
WIDTHS = {"student": 64, "teacher": 128}
INITIAL_STD = 0.02
"""Of embeddings (Devlin et al., arXiv:1810.04805, appendix A.2)."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """``dropout``: the share of what each layer adds that is dropped in training."""

    dropout: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; it must lie in [0, 1)")


class Layer(nn.Module):
    """Attention and a multilayer perceptron, each added to its normalised input (arXiv:2002.04745)."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.before_attention = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        self.before_mlp = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor, present: Tensor) -> Tensor:
        states = states + self.dropout(self._attend(self.before_attention(states), present))
        added: Tensor = states + self.dropout(self.mlp(self.before_mlp(states)))
        return added

    def _attend(self, states: Tensor, present: Tensor) -> Tensor:
        n, length, width = states.shape
        heads = self.queries_keys_values(states).view(n, length, 3, HEADS, width // HEADS)
        queries, keys, values = heads.permute(2, 0, 3, 1, 4)
        scores = queries @ keys.transpose(2, 3) * (width // HEADS) ** -0.5
        # The lowest number instead of minus infinity, which gives NaN where a text has no word.
        scores = scores.masked_fill(~present[:, None, None, :], torch.finfo(scores.dtype).min)
        met = F.softmax(scores, 3) @ values
        attended: Tensor = self.output(met.transpose(1, 2).reshape(n, length, width))
        return attended


class Transformer(base.Encoder):
    """Embedded words and places, layers of attention, and the mean over the words."""

    def __init__(self, length: int, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.words = nn.Embedding(BUCKETS, width)
        self.places = nn.Parameter(torch.empty(length, width))
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList([Layer(width, dropout) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)
        self.width = width
        nn.init.normal_(self.words.weight, std=INITIAL_STD)
        nn.init.normal_(self.places, std=INITIAL_STD)

    def forward(self, inputs: Tensor) -> Tensor:
        words, present = words_of(NAME, inputs)
        states = self.dropout(self.words(words) + self.places[: words.shape[1]])
        for layer in self.layers:
            states = layer(states, present)
        return masked_mean(self.norm(states), present)


def build(shape: tuple[int, ...], size: base.Size, settings: Settings) -> base.Encoder:
    """Build the encoder for texts of shape (words,).

    Raises
    ------
    ConfigError
        If the inputs are not texts.
    """
    return Transformer(text_length(NAME, shape), WIDTHS[size], LAYERS[size], settings.dropout)
