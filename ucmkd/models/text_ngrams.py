"""Mean embedding of the words and pairs of neighbouring words of a text, then a multilayer perceptron.

The order of words matters through the pairs alone. A pair shares its embedding with whatever pair has the
same hash (the hashing trick).
"""

import torch
from torch import Tensor, nn

from ucmkd.data.words import BUCKETS
from ucmkd.models import base
from ucmkd.models.mlp import MLP
from ucmkd.models.shared.texts import masked_mean, text_length, words_of
from ucmkd.settings import NoSettings as Settings

NAME = "text_ngrams"
EMBEDDING = {"student": 32, "teacher": 64}
HIDDEN = {"student": (64,), "teacher": (256, 256)}
BIGRAMS = 2**15
"""Embeddings that all pairs of words share."""

INITIAL_STD = 0.03
"""Of embeddings. With torch's 1, words that tell nothing drown the few that do, in a mean over a text."""

MULTIPLIER = 1_000_003
"""A prime, so that it has no factor in common with ``BIGRAMS`` and no first word is lost in the hash."""


class NGrams(base.Encoder):
    """Bag of words and of pairs of words (Joulin et al., arXiv:1607.01759, section 2)."""

    def __init__(self, embedding: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.words = nn.Embedding(BUCKETS, embedding)
        self.pairs = nn.Embedding(BIGRAMS, embedding)
        self.layers = MLP(embedding, hidden)
        self.width = self.layers.width
        for table in (self.words, self.pairs):
            nn.init.normal_(table.weight, std=INITIAL_STD)

    def forward(self, inputs: Tensor) -> Tensor:
        words, present = words_of(NAME, inputs)
        embedded = torch.cat([self.words(words), self.pairs(pair_numbers(words))], 1)
        both = torch.cat([present, present[:, :-1] & present[:, 1:]], 1)
        features: Tensor = self.layers(masked_mean(embedded, both))
        return features


def pair_numbers(words: Tensor) -> Tensor:
    r"""Number pairs of neighbouring words: :math:`(p \cdot a + b) \bmod 2^{15}`, p = 1,000,003.

    Parameters
    ----------
    words : Tensor of int64, shape (n, words)

    Returns
    -------
    Tensor of int64, shape (n, words - 1)
        In 0 to ``BIGRAMS`` - 1.
    """
    return (words[:, :-1] * MULTIPLIER + words[:, 1:]) % BIGRAMS


def build(shape: tuple[int, ...], size: base.Size, settings: Settings) -> base.Encoder:
    """Build the encoder for texts of shape (words,).

    Raises
    ------
    ConfigError
        If the inputs are not texts.
    """
    text_length(NAME, shape)
    return NGrams(EMBEDDING[size], HIDDEN[size])
