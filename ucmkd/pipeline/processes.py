"""What a program costs: time on the clock, time of the processor, and memory."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ucmkd.config import ROOT
from ucmkd.errors import UcmkdError


@dataclass(frozen=True)
class Cost:
    """What a program took, with the programs that it has called.

    Attributes
    ----------
    wall, processor : float
        Seconds.
    memory : float
        The largest resident set of one process, MiB.
    said : str
        Everything it wrote.
    """

    wall: float
    processor: float
    memory: float
    said: str


def cost_of(words: Sequence[str], folder: Path, told: str = "") -> Cost:
    """Run ``python -m`` with these words in a folder, with this source tree and ``told`` as standard input.

    Raises
    ------
    UcmkdError
        If it fails; the message ends with what it said last.
    """
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryFile("w+") as asked, tempfile.TemporaryFile("w+") as said:
        asked.write(told)
        asked.seek(0)
        started = time.perf_counter()
        child = subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=folder,
            env=environment,
            stdin=asked,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read()
    if child.returncode:
        end = "\n".join(text.splitlines()[-20:])
        raise UcmkdError(f"python -m {' '.join(words)}: ended with {child.returncode}\n{end}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, text)
