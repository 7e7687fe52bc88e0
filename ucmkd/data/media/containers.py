"""Open media files so that a damaged one gives an error that says what is wrong with it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ucmkd.errors import DataError

LFS_POINTER = b"version https://git-lfs"
WHOLE = 0.8
"""The share of its stated length that a file must have; the statement of many is a little off."""

UNKNOWN_SIZE = 0xFFFFFFFF
"""What a RIFF file states that was written before its length was known; 0 is as common."""


@contextmanager
def open_media(path: str | Path) -> Iterator[Any]:
    """Open a container with PyAV; what goes wrong while it is open is an error about this file.

    Raises
    ------
    DataError
        If the file is missing, empty, no media file, cut short, or cannot be decoded.
    """
    import av

    refuse_placeholder(path)
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            yield container
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError | av.FFmpegError) else error
        raise DataError(f"{path}: cannot be decoded ({reason})") from None


def one_stream(streams: Sequence[Any], lacking: str) -> Any:
    """Give the first of a container's streams of a kind, to be decoded in one thread.

    Clips are read side by side already.

    Raises
    ------
    DataError
        With the message ``lacking``, if there is none that can be decoded.
    """
    decodable = [stream for stream in streams if stream.codec_context is not None and stream.time_base]
    if not decodable:
        raise DataError(lacking)
    decodable[0].codec_context.thread_count = 1
    return decodable[0]


def refuse_placeholder(path: str | Path) -> None:
    """Refuse what only stands for a file: an interrupted download, or a pointer of Git LFS.

    Raises
    ------
    DataError
        If it is missing, empty, a pointer, or a RIFF file (``.wav``) that is much shorter than it states.
    """
    try:
        with Path(path).open("rb") as file:
            head = file.read(len(LFS_POINTER))
            size = file.seek(0, 2)
    except OSError as error:
        raise DataError(f"{path}: cannot be opened ({error.strerror})") from None
    if not head:
        raise DataError(f"{path}: is empty")
    if head == LFS_POINTER:
        raise DataError(f"{path}: is a pointer of Git LFS, not the file itself; run 'git lfs pull'")
    stated = int.from_bytes(head[4:8], "little")
    if head.startswith(b"RIFF") and stated != UNKNOWN_SIZE:
        refuse_short(path, size, stated, "bytes")


def refuse_short(path: str | Path, found: float, stated: float, unit: str) -> None:
    """Refuse a file of which too little is there.

    Raises
    ------
    DataError
        If less than ``WHOLE`` of what it states was found.
    """
    if found < WHOLE * stated:
        raise DataError(f"{path}: is cut short, {found:g} of {stated:g} {unit}")
