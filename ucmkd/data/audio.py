"""Read a sound file as one channel at one rate, and picture it as a log-mel spectrogram of one size."""

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ucmkd.errors import DataError
from ucmkd.threads import one_thread

SUFFIXES = (".aif", ".aiff", ".flac", ".mp3", ".ogg", ".wav")
FLOOR = 1e-6
"""Power that silence counts as, where full scale is 1."""

LARGEST = 100_000_000
"""Samples of all channels; a file that claims more is refused, since unpacking it could fill the memory."""

RATES = (1_000, 1_000_000)
"""Hertz; a header that says less or more is damaged, and resampling by it could fill the memory."""

LOW = 50.0
"""Hertz; where the lowest band starts."""


def read_audio(path: str | Path, *, sample_rate: int) -> NDArray[np.float32]:
    """Read a sound file.

    Parameters
    ----------
    path : path
    sample_rate : int
        In hertz; what was recorded at another rate is resampled.

    Returns
    -------
    array, shape (samples,)
        The mean of the channels, in [-1, 1].

    Raises
    ------
    DataError
        If the file cannot be read as sound, claims more than ``LARGEST`` samples, has none, or holds what is
        not finite.
    """
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            if file.frames * file.channels > LARGEST:
                raise DataError(
                    f"{path}: {file.frames} samples in {file.channels} channels are too many; cut it"
                )
            waveform, recorded = file.read(dtype="float32", always_2d=True), file.samplerate
    except (soundfile.SoundFileError, OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable sound file ({error})") from None
    return one_channel(waveform.T, recorded, sample_rate=sample_rate, place=str(path))


def one_channel(
    channels: NDArray[np.float32], recorded: int, *, sample_rate: int, place: str
) -> NDArray[np.float32]:
    """Average channels, shape (channels, samples), and resample them from the rate they were recorded at.

    Raises
    ------
    DataError
        If there is no sample, one is not finite, or the rate is beyond ``RATES``.
    """
    if channels.size == 0:
        raise DataError(f"{place}: sound of zero length")
    if not np.isfinite(channels).all():
        raise DataError(f"{place}: samples that are NaN or infinite")
    if not RATES[0] <= recorded <= RATES[1]:
        raise DataError(
            f"{place}: a sample rate of {recorded} Hz is beyond {RATES[0]} to {RATES[1]}; the file is damaged"
        )
    waveform: NDArray[np.float32] = channels.mean(axis=0, dtype=np.float64).astype(np.float32)
    if recorded != sample_rate:
        from scipy.signal import resample_poly

        common = math.gcd(recorded, sample_rate)
        waveform = resample_poly(waveform, sample_rate // common, recorded // common).astype(np.float32)
    return waveform


def fit_length(waveform: NDArray[np.float32], samples: int) -> NDArray[np.float32]:
    """Cut the middle out of a waveform, or put silence on both sides of it."""
    missing = samples - len(waveform)
    if missing >= 0:
        return np.pad(waveform, (missing // 2, missing - missing // 2))
    start = -missing // 2
    return waveform[start : start + samples]


def spectrogram(
    waveform: NDArray[np.float32], *, sample_rate: int, window: int, bands: int, frames: int
) -> NDArray[np.float32]:
    """Take the log-mel spectrogram with frames evenly over the whole waveform.

    Parameters
    ----------
    waveform : array, shape (samples,)
        Silence is added at the end where it is too short for so many frames.
    sample_rate : int
        In hertz.
    window : int
        Samples a frame.
    bands, frames : int

    Returns
    -------
    array, shape (1, bands, frames)
        In bel; band 0 is the lowest.
    """
    import torch

    from ucmkd.data.melspectrogram import log_mel, mel_filterbank

    filters = mel_filterbank(bands, window=window, sample_rate=sample_rate, low=LOW, high=sample_rate / 2)
    waveform = np.pad(waveform, (0, max(0, window + frames - 1 - len(waveform))))
    hop = (len(waveform) - window) // max(1, frames - 1)
    with one_thread():
        picture = log_mel(torch.from_numpy(waveform.astype(np.float64)), filters, hop=hop, floor=FLOOR)
    single: NDArray[np.float32] = picture[None, :, :frames].float().numpy()
    return single
