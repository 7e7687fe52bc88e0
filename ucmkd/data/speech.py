"""Spoken words from eSpeak NG, the same to the last bit whatever was said before.

The synthesiser keeps state from one utterance to the next: an index into its table of pitch flutter, the
phase of its oscillators, its echo, and a random generator that it seeds from the clock. Nothing in its
interface resets the first of them, so the library is loaded afresh for every utterance (a millisecond), and
its generator seeded. The voices ``caleb`` and ``Reed`` also draw from the C library's and are refused.
"""

import ctypes
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ucmkd.errors import DataError

LANGUAGE = "gmw/en"
"""English (Great Britain). Named by its file: any other name makes eSpeak NG read all its voices first."""

IRREPRODUCIBLE = ("caleb", "Reed")
LONGEST_PATH = 140
"""eSpeak NG cuts longer names of its data folder without a word."""

_SYNCHRONOUS, _DO_NOT_EXIT = 2, 0x8000
_RATE, _PITCH = 1, 3
_CHARACTERS, _UTF8 = 1, 1
_Receive = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


def synthesise(text: str, *, voice: str, rate: int, pitch: int) -> tuple[NDArray[np.float32], int]:
    """Speak a text. Not to be called from two threads at once.

    Parameters
    ----------
    text : str
    voice : str
        A voice variant of eSpeak NG, for example ``f2``; see :func:`voices`.
    rate : int
        Words a minute, 80 to 450.
    pitch : int
        0 to 99 around the voice's own pitch at 50.

    Returns
    -------
    waveform : array, shape (samples,)
        float32 in [-1, 1), with the silence the synthesiser puts around the words.
    sample_rate : int
        In hertz.

    Raises
    ------
    DataError
        If the synthesiser or the voice is missing, cannot be reproduced, or a number is out of range.
    """
    if not 80 <= rate <= 450 or not 0 <= pitch <= 99:
        raise DataError(f"speech: rate {rate} and pitch {pitch}; give a rate of 80..450 and a pitch of 0..99")
    if voice not in voices():
        raise DataError(f"speech: no voice '{voice}' that speaks reproducibly; known: {', '.join(voices())}")
    chunks: list[bytes] = []

    def receive(samples: "ctypes._Pointer[ctypes.c_short]", count: int, _events: int | None) -> int:
        if count:
            chunks.append(ctypes.string_at(samples, count * ctypes.sizeof(ctypes.c_short)))
        return 0

    callback, encoded = _Receive(receive), text.encode()
    with _library() as library, _data_folder() as folder:
        sample_rate: int = library.espeak_Initialize(_SYNCHRONOUS, 0, os.fsencode(folder), _DO_NOT_EXIT)
        library.espeak_SetSynthCallback(callback)
        library.espeak_ng_SetRandSeed(ctypes.c_long(1))
        failed = sample_rate <= 0 or library.espeak_SetVoiceByName(f"{LANGUAGE}+{voice}".encode())
        library.espeak_SetParameter(_RATE, rate, 0)
        library.espeak_SetParameter(_PITCH, pitch, 0)
        size = ctypes.c_size_t(len(encoded) + 1)
        failed = failed or library.espeak_Synth(encoded, size, 0, _CHARACTERS, 0, _UTF8, None, None)
        library.espeak_Terminate()
    if failed or not chunks:
        raise DataError(f"speech: eSpeak NG cannot say '{text}' with voice '{voice}'; "
                        "reinstall the package espeakng-loader")  # fmt: skip
    waveform = np.frombuffer(b"".join(chunks), dtype=np.int16).astype(np.float32) / np.float32(32768)
    return waveform, sample_rate


def voices() -> list[str]:
    """List the voice variants that speak reproducibly."""
    return sorted(set(os.listdir(_installed()[1] / "voices" / "!v")) - set(IRREPRODUCIBLE))


def _installed() -> tuple[Path, Path]:
    """Find the shared library and the data folder of eSpeak NG."""
    try:
        import espeakng_loader

        library, data = Path(espeakng_loader.get_library_path()), Path(espeakng_loader.get_data_path())
    except (ImportError, RuntimeError) as error:
        raise DataError(f"speech: {error}; install the package espeakng-loader") from None
    for path in (library, data / "phondata"):
        if not path.is_file():
            raise DataError(f"{path}: no such file; reinstall the package espeakng-loader")
    return library, data


@contextmanager
def _library() -> Iterator[ctypes.CDLL]:
    path = _installed()[0]
    if _is_loaded(path):
        raise DataError(f"{path}: something else in this process uses eSpeak NG, which would change what is "
                        "said; run this in a process of its own")  # fmt: skip
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise DataError(f"{path}: {error}; reinstall the package espeakng-loader for this machine") from None
    try:
        yield library
    finally:
        _unload(library._handle)


def _is_loaded(path: Path) -> bool:
    try:
        library = ctypes.CDLL(str(path), mode=os.RTLD_NOLOAD)
    except OSError:
        return False
    _unload(library._handle)
    return True


def _unload(handle: int) -> None:
    ctypes.CDLL(None).dlclose(ctypes.c_void_p(handle))


@contextmanager
def _data_folder() -> Iterator[Path]:
    """Give a name of the data folder that is short enough."""
    data = _installed()[1]
    if len(os.fsencode(data)) <= LONGEST_PATH:
        yield data
        return
    with tempfile.TemporaryDirectory(prefix="ucmkd-") as folder:
        short = Path(folder) / data.name
        short.symlink_to(data)
        yield short
