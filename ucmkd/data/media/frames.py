"""A few frames of a video, evenly spaced in time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ucmkd.data.media.containers import one_stream, open_media, refuse_short
from ucmkd.errors import DataError

SLACK = 0.2
"""Seconds; how long after its time the last frame of a video may still be shown."""

Span = tuple[float, float]


def read_frames(path: str | Path, *, count: int, size: int, span: Span | None = None) -> NDArray[np.uint8]:
    """Read frames from the middles of equal parts of a video.

    Frame i of ``count`` is the one shown at ``start + (i + 1/2) / count * (end - start)``: the last one whose
    time is not later. Times count from the first moment of the picture track. Each is sought from the key
    frame before it, or from the beginning in files that cannot be sought in, with the same outcome, and no
    more than two decoded frames are held. The shorter side is scaled to ``size`` and the middle square cut
    out.

    Parameters
    ----------
    path : path
    count : int
    size : int
        Height and width, in pixels.
    span : tuple of two floats, optional
        Start and end in seconds; by default, the whole video. An end beyond the video means its end.

    Returns
    -------
    array, shape (count, 3, size, size)

    Raises
    ------
    DataError
        If the file cannot be decoded, has no picture, is damaged where a frame is wanted, or ends before.
    """
    start, end = _clip(path, span)
    times = [start + (index + 0.5) / count * (end - start) for index in range(count)]
    return np.stack([_square(_frame_at(path, time), size) for time in times])


def duration(path: str | Path) -> float:
    """Give the length of the picture track in seconds.

    Where the track does not say, it is from the first to the last frame and one mean distance of frames more.

    Raises
    ------
    DataError
        If the file cannot be read, has no picture, or is much shorter than it states.
    """
    import av

    with open_media(path) as container:
        stream = _video(container, path)
        if stream.duration:
            return float(stream.duration * stream.time_base)
        times = [packet.pts for packet in container.demux(stream) if packet.pts is not None]
        stated = (container.duration or 0) / av.time_base
    if not times:
        raise DataError(f"{path}: has no frame")
    gaps = max(1, len(times) - 1)
    length = max(SLACK, float((max(times) - min(times)) * (gaps + 1) * stream.time_base / gaps))
    refuse_short(path, length, stated, "seconds")
    return length


def _clip(path: str | Path, span: Span | None) -> Span:
    length = duration(path)
    start, end = span or (0.0, length)
    if start >= length:
        raise DataError(f"{path}: ends at {length:.2f} s, before the segment that starts at {start:.2f} s")
    return start, min(end, length)


class _Frame(NamedTuple):
    """A decoded frame, with its time and the length of its showing in seconds."""

    time: float
    length: float
    picture: Any


def _frame_at(path: str | Path, time: float) -> Any:
    """Find the image shown at a time."""
    for seek in (time, None):
        with open_media(path) as container:
            shown, more = _last_before(_decoded(container, path, seek), time)
            if shown is None:
                continue
            if not more and time - shown.time > max(SLACK, shown.length):
                raise DataError(
                    f"{path}: is cut short at {shown.time:.2f} s, before the frame at {time:.2f} s"
                )
            if shown.picture.is_corrupt:
                raise DataError(f"{path}: is damaged at {time:.2f} s")
            return shown.picture.to_image()
    raise DataError(f"{path}: has no frame at {time:.2f} s")


def _decoded(container: Any, path: str | Path, seek: float | None) -> Iterator[_Frame]:
    """Decode frames from the key frame before ``seek`` on, or from the first one; none if it cannot seek."""
    import av

    stream = _video(container, path)
    start = stream.start_time or 0
    if seek is not None:
        try:
            container.seek(start + int(seek / stream.time_base), stream=stream, backward=True)
        except av.FFmpegError:
            return
    for frame in container.decode(stream):
        if frame.pts is not None:
            time, length = frame.pts - start, frame.duration or 0
            yield _Frame(float(time * stream.time_base), float(length * stream.time_base), frame)


def _last_before(frames: Iterator[_Frame], time: float) -> tuple[_Frame | None, bool]:
    """Give the last frame that is not later than a time, and whether a later one followed."""
    shown = None
    for frame in frames:
        if frame.time > time:
            return shown, True
        shown = frame
    return shown, False


def _video(container: Any, path: str | Path) -> Any:
    return one_stream(container.streams.video, f"{path}: has no picture that can be decoded")


def _square(image: Any, size: int) -> NDArray[np.uint8]:
    from PIL import Image, ImageOps

    from ucmkd.data.images import on_white, pixels

    return pixels(ImageOps.fit(on_white(image), (size, size), Image.Resampling.BILINEAR), 3)
