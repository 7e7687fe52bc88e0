"""A feature vector read as a signal along its channels, taken apart by frequency."""

import torch
from torch import Tensor

from ucmkd.errors import ConfigError


def low_bins(width: int, cut: float) -> int:
    """Count the frequencies of the low band, which starts above the constant part.

    Raises
    ------
    ConfigError
        If either band would be empty.
    """
    bins = width // 2
    low = round(cut * bins)
    if not 1 <= low < bins:
        raise ConfigError(
            f"a cut at {cut} of the {bins} frequencies of a feature of width {width} leaves a band empty; "
            "move the cut, or widen the embedding (embedding.width) to at least 4"
        )
    return low


def frequency_bands(features: Tensor, low: int) -> tuple[Tensor, Tensor, Tensor]:
    """Take features apart by frequency.

    Parameters
    ----------
    features : Tensor, shape (n, d)
    low : int
        Frequencies 1 to ``low`` make the low band, those above it the high band.

    Returns
    -------
    tuple of Tensor, each of shape (n, d)
        Low band, high band, and the constant part (frequency 0); their sum is the feature.
    """
    spectrum = torch.fft.rfft(features, dim=1)
    bins = torch.arange(spectrum.shape[1], device=features.device)
    masks = ((bins >= 1) & (bins <= low), bins > low, bins == 0)
    parts = [torch.fft.irfft(spectrum * mask, n=features.shape[1], dim=1) for mask in masks]
    return parts[0], parts[1], parts[2]
