"""Read many files into one array: in parallel, with progress, and from where an interrupted job stopped."""

import errno
import hashlib
import json
import logging
import math
import os
import shutil
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ucmkd.data.base import Workspace
from ucmkd.errors import DataError

log = logging.getLogger(__name__)
BATCH = 16
REPORT_SECONDS = 10.0
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
WAITING, READ, SKIPPED = 0, 1, 2


@dataclass(frozen=True)
class Extracted:
    """What came of the files.

    Attributes
    ----------
    inputs : array, shape (n, ...)
        A memory map in the workspace; valid until the next extraction with the same key.
    kept : array of int, shape (n,)
        Which of the files they are of.
    skipped : mapping
        Files that could not be read, with the reason.
    """

    inputs: NDArray[Any]
    kept: NDArray[np.int64]
    skipped: Mapping[str, str]


def extract(
    files: Sequence[str],
    read: Callable[[str], NDArray[Any]],
    *,
    shape: tuple[int, ...],
    dtype: str,
    key: Mapping[str, Any],
    workspace: Workspace,
) -> Extracted:
    """Read files that may be many, large, and partly damaged.

    Parameters
    ----------
    files : sequence of str
    read : callable
        From a file's name to an array of ``shape``; can be sent to another process. A :class:`DataError`
        that it raises is the reason to skip the file.
    shape, dtype
        Of what ``read`` returns.
    key : mapping
        Plain values on which the arrays depend beside the files; with the files it names the half-done work.
    workspace : Workspace

    Raises
    ------
    DataError
        If no file can be read, a process that reads dies, or there is no room on the disk.
    """
    signature = json.dumps([list(files), list(shape), dtype, dict(key)], sort_keys=True)
    folder = workspace.scratch / hashlib.sha256(signature.encode()).hexdigest()[:16]
    arrays, state, reasons = _open(folder, len(files), shape, dtype)
    todo = np.flatnonzero(state == WAITING)
    if 0 < len(todo) < len(files):
        log.info("%d of %d files were read before", len(files) - len(todo), len(files))
    batches = [todo[start : start + BATCH].tolist() for start in range(0, len(todo), BATCH)]
    reported = time.monotonic()
    with closing(_read_all(batches, files, read, workspace.workers)) as reading:
        for rows, results in zip(batches, reading, strict=True):
            for row, (values, reason) in zip(rows, results, strict=True):
                if values is None:
                    log.warning("skipped %s: %s", files[row], reason)
                    (reasons / f"{row}.txt").write_text(reason, encoding="utf-8")
                else:
                    _check(values, shape, dtype, files[row])
                    arrays[row] = values
            arrays.flush()
            state[rows] = [READ if values is not None else SKIPPED for values, _ in results]
            state.flush()
            if time.monotonic() - reported > REPORT_SECONDS:
                log.info("%d of %d files", int((state != WAITING).sum()), len(files))
                reported = time.monotonic()
    kept = np.flatnonzero(state == READ)
    skipped = {
        files[row]: (reasons / f"{row}.txt").read_text(encoding="utf-8")
        for row in np.flatnonzero(state == SKIPPED).tolist()
    }
    log.info("%d files read, %d skipped", len(kept), len(skipped))
    if not len(kept):
        first = next(iter(skipped.items()), ("no file", "there is none"))
        shutil.rmtree(folder)
        raise DataError(f"none of {len(files)} files can be read; {first[0]}: {first[1]}")
    inputs = arrays if len(kept) == len(files) else _compact(arrays, kept, folder / "kept.npy")
    return Extracted(inputs, kept, skipped)


def _open(folder: Path, count: int, shape: tuple[int, ...], dtype: str) -> tuple[Any, Any, Path]:
    """Open the arrays of half-done work, or make them."""
    reasons = folder / "skipped"
    paths = [folder / "inputs.npy", folder / "state.npy"]
    try:
        inputs, state = (np.lib.format.open_memmap(path, mode="r+") for path in paths)
        return inputs, state, reasons
    except (OSError, ValueError, EOFError):  # not there, or the making of them was interrupted
        shutil.rmtree(folder, ignore_errors=True)
    reasons.mkdir(parents=True)
    return _allocate(paths[0], (count, *shape), dtype), _allocate(paths[1], (count,), "uint8"), reasons


def _read_all(
    batches: Sequence[Sequence[int]], files: Sequence[str], read: Callable[[str], NDArray[Any]], workers: int
) -> Generator[list[tuple[NDArray[Any] | None, str]], None, None]:
    """Give the results batch by batch, in order; closing it drops the batches that are not begun."""
    names = ([files[row] for row in rows] for rows in batches)
    job = partial(_read_batch, read)
    if workers == 1:
        yield from map(job, names)
        return
    done = 0
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        try:
            for results in pool.map(job, names):
                yield results
                done += 1
        except BrokenProcessPool:
            raise DataError(
                f"a process that reads files died, at {files[batches[done][0]]} or soon after; remove the "
                "file that kills it (with one worker they are read in order), or give the job more memory"
            ) from None


def _read_batch(
    read: Callable[[str], NDArray[Any]], names: Sequence[str]
) -> list[tuple[NDArray[Any] | None, str]]:
    return [_read_one(read, name) for name in names]


def _read_one(read: Callable[[str], NDArray[Any]], name: str) -> tuple[NDArray[Any] | None, str]:
    try:
        return read(name), ""
    except DataError as error:
        return None, str(error).removeprefix(f"{name}: ")


def _compact(arrays: NDArray[Any], kept: NDArray[np.int64], path: Path) -> NDArray[Any]:
    """Copy the kept rows, one by one, so that nothing large is held in memory."""
    compacted = _allocate(path, (len(kept), *arrays.shape[1:]), arrays.dtype.name)
    for position, row in enumerate(kept):
        compacted[position] = arrays[row]
    return compacted


def _check(values: NDArray[Any], shape: tuple[int, ...], dtype: str, name: str) -> None:
    """Refuse what would be broadcast or rounded in silence: the reader is not the one declared."""
    if values.shape != shape or values.dtype != dtype:
        raise TypeError(f"{name}: read as {values.shape} {values.dtype}, declared as {shape} {dtype}")


def _allocate(path: Path, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    """Make an array on disk with all its room: a map of a file with holes is fatal on a full disk."""
    try:
        array: NDArray[Any] = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    except OSError as error:
        path.unlink(missing_ok=True)
        if error.errno not in FULL:
            raise
        size = np.dtype(dtype).itemsize * math.prod(shape) / 2**30
        raise DataError(f"{path}: no room for {size:.1f} GiB ({error.strerror}); make room on the disk and "
                        "run again: what was read is kept") from None  # fmt: skip
    return array
