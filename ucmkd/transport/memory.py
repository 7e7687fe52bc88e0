"""How much memory a step of a solver takes, in a process of its own."""

from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import torch

from ucmkd.transport.solvers import Problem, step

STATUS = Path("/proc/self/status")


def peak_memory(solver: str, problem: Problem) -> int | None:
    """Measure by how many bytes a step raises the resident memory of a fresh process at its highest.

    The operating system counts what NumPy and torch allocate alike, in pages: below a mebibyte the figure
    says little. A tiny problem goes before, so that the code is loaded already.

    Returns
    -------
    int or None
        None where the system has no ``/proc``, and where the process died, as one out of memory does.
    """
    if not STATUS.exists():
        return None
    context = get_context("forkserver")  # children start fresh, but with everything imported
    context.set_forkserver_preload(["ot", __name__])
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            return pool.submit(_rise, solver, problem).result()
        except BrokenProcessPool:
            return None


def _rise(solver: str, problem: Problem) -> int:
    torch.set_num_threads(1)
    step(solver, replace(problem, size=4))
    before = _status("VmRSS")
    step(solver, problem)
    return max(0, _status("VmHWM") - before)


def _status(key: str) -> int:
    lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return 1024 * int(lines[key].split()[0])
