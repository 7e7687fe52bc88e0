"""The sound of a clip, from a sound file or from the track of a video."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ucmkd.data.audio import SUFFIXES, one_channel, read_audio
from ucmkd.data.media.containers import one_stream, open_media, refuse_placeholder, refuse_short
from ucmkd.data.media.frames import Span
from ucmkd.errors import DataError


def read_soundtrack(path: str | Path, *, sample_rate: int, span: Span | None = None) -> NDArray[np.float32]:
    """Read the sound of a clip as one channel at one rate.

    Parameters
    ----------
    path : path
        A sound file, or a video with a track of sound.
    sample_rate : int
        In hertz; what was recorded at another rate is resampled.
    span : tuple of two floats, optional
        Start and end in seconds from the first sample; by default, all of it. What lies beyond the end is
        not made up.

    Returns
    -------
    array, shape (samples,)

    Raises
    ------
    DataError
        If the file cannot be decoded, has no sound, or holds nothing but silence in the span.
    """
    if Path(path).suffix.lower() in SUFFIXES:
        refuse_placeholder(path)
        waveform = read_audio(path, sample_rate=sample_rate)
        if span is not None:
            waveform = waveform[slice(*_samples(span, sample_rate))]
    else:
        channels, recorded = _decode(path, span)
        waveform = one_channel(channels, recorded, sample_rate=sample_rate, place=str(path))
    if not len(waveform) or np.ptp(waveform) == 0:
        raise DataError(f"{path}: holds nothing but silence")
    return waveform


def _decode(path: str | Path, span: Span | None) -> tuple[NDArray[np.float32], int]:
    """Decode a track as far as needed, shape (channels, samples), and give its rate."""
    import av

    with open_media(path) as container:
        stream = one_stream(container.streams.audio, f"{path}: has no sound that can be decoded")
        first, last = _samples(span, stream.rate) if span else (0, None)
        resampler = av.AudioResampler(format="fltp")
        parts: list[NDArray[np.float32]] = []
        have = 0
        for frame in container.decode(stream):
            for piece in resampler.resample(frame):
                parts.append(piece.to_ndarray().astype(np.float32))
                have += piece.samples
            if last is not None and have >= last:
                break
        if not parts:
            raise DataError(f"{path}: has no sound")
        if last is None or have < last:
            stated = (
                stream.duration * stream.time_base
                if stream.duration
                else (container.duration or 0) / av.time_base
            )
            refuse_short(path, have / stream.rate, float(stated), "seconds of sound")
        return np.concatenate(parts, axis=1)[:, first:last], stream.rate


def _samples(span: Span, rate: int) -> tuple[int, int]:
    return round(span[0] * rate), round(span[1] * rate)
