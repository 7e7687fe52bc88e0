"""Noise of rooms and machines, made in code, and its mixing at a stated level."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ucmkd.errors import DataError

Wave = NDArray[np.float64]

HARMONICS = 30


def pink_noise(samples: int, generator: np.random.Generator) -> Wave:
    """Make noise with as much power in every octave, like wind and traffic: power falls with 1/f.

    Parameters
    ----------
    samples : int
    generator : numpy.random.Generator

    Returns
    -------
    array, shape (samples,)
        float64, cut from a whole power of two, whose transform is quick.
    """
    bins = (1 << max(samples - 1, 1).bit_length()) // 2 + 1
    spectrum = generator.standard_normal(bins) + 1j * generator.standard_normal(bins)
    spectrum[0] = 0.0
    spectrum[1:] /= np.sqrt(np.arange(1, bins))
    return np.fft.irfft(spectrum)[:samples]


def mains_hum(samples: int, sample_rate: int, generator: np.random.Generator) -> Wave:
    r"""Make the hum of a 50 Hz supply: 30 harmonics in random phase whose amplitudes fall with 1/k.

    Parameters
    ----------
    samples : int
    sample_rate : int
        In hertz, above 3000 to hold all harmonics.
    generator : numpy.random.Generator
        Draws the phases, and how far the supply strays from 50 Hz (0.2 Hz standard deviation).

    Returns
    -------
    array, shape (samples,)
        float64.
    """
    supply = 50.0 + 0.2 * generator.standard_normal()
    turn = np.exp(2j * np.pi * supply * np.arange(samples) / sample_rate)
    phases = generator.uniform(0, 2 * np.pi, HARMONICS)
    amplitudes = np.exp(1j * phases) / np.arange(1, HARMONICS + 1)
    hum: Wave = np.polynomial.polynomial.polyval(turn, [0.0, *amplitudes]).imag
    return hum


def babble(voices: Sequence[NDArray[Any]], samples: int, generator: np.random.Generator) -> Wave:
    """Let several voices speak at once, equally loud, each in a loop from a random place.

    Parameters
    ----------
    voices : sequence of arrays, shape (n,)
        One waveform a voice; the lengths may differ.
    samples : int
    generator : numpy.random.Generator

    Returns
    -------
    array, shape (samples,)
        float64.

    Raises
    ------
    DataError
        If there is no voice or one is silent.
    """
    if not voices or any(not np.any(voice) for voice in voices):
        raise DataError("babble: needs at least one voice, and none of them silent")
    parts = []
    for voice in voices:
        start = int(generator.integers(len(voice)))
        loop = np.take(voice.astype(np.float64), np.arange(start, start + samples), mode="wrap")
        parts.append(loop / np.sqrt(np.mean(np.square(voice, dtype=np.float64))))
    crowd: Wave = np.sum(parts, axis=0)
    return crowd


def mix(signal: NDArray[Any], noise: NDArray[Any], *, snr_db: float) -> Wave:
    r"""Add noise so that :math:`10 \log_{10} (\sum s^2 / \sum n^2)` is the stated ratio.

    Parameters
    ----------
    signal, noise : arrays of one shape
        The noise is scaled, the signal is not.
    snr_db : float
        Signal-to-noise ratio over the whole array, in decibels.

    Returns
    -------
    array
        float64.

    Raises
    ------
    DataError
        If the shapes differ, or signal or noise is silent and no ratio exists.
    """
    signal, noise = signal.astype(np.float64), noise.astype(np.float64)
    if signal.shape != noise.shape:
        raise DataError(f"mix: a signal of shape {signal.shape} and noise of {noise.shape}; make them equal")
    signal_energy, noise_energy = float(np.sum(signal**2)), float(np.sum(noise**2))
    if signal_energy == 0 or noise_energy == 0:
        raise DataError("mix: signal or noise is silent, so there is no ratio between them")
    mixed: Wave = signal + noise * np.sqrt(signal_energy / noise_energy / 10 ** (snr_db / 10))
    return mixed
