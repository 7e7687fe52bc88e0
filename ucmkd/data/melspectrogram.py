"""Log-mel pictures of sound: power in bands that are evenly spaced to the ear."""

import math

import torch
from torch import Tensor

from ucmkd.errors import DataError


def to_mel(hertz: float) -> float:
    """Give the pitch in mel, by the formula of O'Shaughnessy (1987) that HTK uses."""
    return 2595.0 * math.log10(1.0 + hertz / 700.0)


def mel_filterbank(bands: int, *, window: int, sample_rate: int, low: float, high: float) -> Tensor:
    r"""Make triangular filters whose corners are evenly spaced in mel.

    With corners :math:`f_0 < \dots < f_{K+1}` the filter :math:`k` rises linearly in hertz from 0 at
    :math:`f_{k-1}` to 1 at :math:`f_k` and falls to 0 at :math:`f_{k+1}`, so the filters sum to one between
    the first and the last centre.

    Parameters
    ----------
    bands : int
        K.
    window : int
        Samples in a window of the spectrogram.
    sample_rate : int
        In hertz.
    low, high : float
        The outermost corners, in hertz.

    Returns
    -------
    Tensor, shape (bands, window // 2 + 1)
        float64; column j belongs to the frequency ``j * sample_rate / window``.

    Raises
    ------
    DataError
        If the corners are out of order or beyond half the sample rate, or a filter holds no frequency.
    """
    if not 0 <= low < high <= sample_rate / 2:
        raise DataError(f"melspectrogram: bands from {low} to {high} Hz; give 0 <= low < high <= "
                        f"{sample_rate / 2:g}, half the sample rate")  # fmt: skip
    mels = torch.linspace(to_mel(low), to_mel(high), bands + 2, dtype=torch.float64)
    corners = 700.0 * (10.0 ** (mels / 2595.0) - 1.0)
    frequencies = torch.arange(window // 2 + 1, dtype=torch.float64) * sample_rate / window
    left, centre, right = (corners[i : i + bands, None] for i in range(3))
    rising = (frequencies - left) / (centre - left)
    falling = (right - frequencies) / (right - centre)
    filters = torch.minimum(rising, falling).clamp(min=0)
    if not bool(filters.any(dim=1).all()):
        raise DataError(f"melspectrogram: {bands} bands are too narrow for a window of {window} samples; "
                        "use fewer bands or a longer window")  # fmt: skip
    return filters


def power_spectrogram(waveform: Tensor, *, window: int, hop: int) -> Tensor:
    """Give the squared magnitudes of Hann-windowed Fourier transforms, unpadded.

    Parameters
    ----------
    waveform : Tensor, shape (..., samples)
    window, hop : int
        Samples in a window, and from one window to the next.

    Returns
    -------
    Tensor, shape (..., window // 2 + 1, 1 + (samples - window) // hop)

    Raises
    ------
    DataError
        If the waveform is shorter than a window.
    """
    if waveform.shape[-1] < window:
        raise DataError(f"melspectrogram: {waveform.shape[-1]} samples are less than a window of {window}")
    hann = torch.hann_window(window, dtype=waveform.dtype)
    spectrum = torch.stft(waveform, window, hop, window=hann, center=False, return_complex=True)
    return spectrum.abs().square()


def log_mel(waveform: Tensor, filters: Tensor, *, hop: int, floor: float) -> Tensor:
    """Give the common logarithm of the power in every band.

    Parameters
    ----------
    waveform : Tensor, shape (..., samples)
    filters : Tensor, shape (bands, window // 2 + 1)
        From :func:`mel_filterbank`, of the same type as the waveform.
    hop : int
        Samples from one window to the next.
    floor : float
        Power that silence counts as.

    Returns
    -------
    Tensor, shape (..., bands, frames)
        In bel; band 0 is the lowest.
    """
    window = 2 * (filters.shape[1] - 1)
    return (filters @ power_spectrogram(waveform, window=window, hop=hop)).clamp(min=floor).log10()
