"""A mask over feature channels, computed from the feature itself by attention among the channels."""

import torch
from torch import Tensor, nn


class ChannelMask(nn.Module):
    """Project to one token a channel, let tokens attend to each other, and read a number in (0, 1) off each.

    Parameters
    ----------
    width : int
        Of the feature.
    token_width, heads : int
        Of a token, and of the attention.
    """

    def __init__(self, width: int, token_width: int, heads: int) -> None:
        super().__init__()
        self.embed = nn.Linear(width, width * token_width)
        self.attention = nn.MultiheadAttention(token_width, heads, batch_first=True)
        self.read = nn.Linear(token_width, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Give features (n, d) with each channel multiplied by its mask."""
        tokens = self.embed(features).unflatten(1, (features.shape[1], -1))
        # Asking for the weights avoids the fused kernel, whose gradient varies from run to run on a GPU.
        attended, _ = self.attention(tokens, tokens, tokens, need_weights=True)
        return features * torch.sigmoid(self.read(attended).squeeze(2))
