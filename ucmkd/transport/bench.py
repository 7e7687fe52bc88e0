"""What the solver costs, against the solvers of POT and geomloss on the same problem."""

import math
import statistics
import time
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from ucmkd.errors import ConfigError
from ucmkd.threads import one_thread
from ucmkd.transport.memory import peak_memory
from ucmkd.transport.solvers import SOLVERS, Problem, exact_values, step

SIZES = (64, 256, 1024)
DTYPES = ("float32", "float64")
HELD_AT_MOST = 4 * 2**30  # bytes of matrices that a solver may keep for its gradient
MIB = 2**20


def bench_transport(
    sizes: Sequence[int] = SIZES, *, iterations: int = 100, epsilon: float = 0.05, rounds: int = 30
) -> list[dict[str, Any]]:
    """Measure the loss and its gradient, as many iterations of every solver, on one thread of torch's.

    Rounds are interleaved, so that whatever else the machine does falls on all solvers alike.

    Parameters
    ----------
    sizes : sequence of int
        Of both batches; from 2.
    iterations : int
        From 4.
    epsilon : float
        In units of the cost, which is near 1; below 1.
    rounds : int
        At most; the larger the batch, the fewer, and from 4096 points on there is one.

    Returns
    -------
    list of dict
        For each size, precision and solver: ``seconds`` (of the processor, median), ``ratio_to_pot_plain``
        (of the medians; to ``pot_log`` where the plain domain breaks down, which the note says), ``peak_mib``
        (see :func:`peak_memory`), ``iterations``, ``error_against_exact`` and a ``note``. The error is
        relative to the converged solution in float64, of the linear part, and for geomloss, which gives no
        other, of the regularised value. What was not measured is None.

    Raises
    ------
    ConfigError
        If a size, the iterations or epsilon are out of bounds.
    """
    if min(sizes) < 2 or iterations < 4 or not 0 < epsilon < 1:
        raise ConfigError(
            f"bench transport: {iterations} iterations with epsilon {epsilon}, {min(sizes)} points at least; "
            "take 4 iterations or more, an epsilon between 0 and 1, and 2 points or more"
        )
    rows = []
    with one_thread():
        for size in sizes:
            problems = [Problem(size, dtype, epsilon, iterations) for dtype in DTYPES]
            exact = exact_values(problems[0])
            rows += [row for problem in problems for row in _compare(problem, exact, rounds)]
    return rows


def _compare(problem: Problem, exact: dict[str, float], rounds: int) -> list[dict[str, Any]]:
    obstacles = {solver: _obstacle(solver, problem) for solver in SOLVERS}
    values: dict[str, float] = {}
    seconds: dict[str, list[float]] = {solver: [] for solver in SOLVERS if not obstacles[solver]}
    for _ in range(max(1, min(rounds, 4096 // problem.size))):
        for solver, times in seconds.items():
            start = time.process_time()
            values[solver] = step(solver, problem)
            times.append(time.process_time() - start)
    medians = {solver: statistics.median(times) for solver, times in seconds.items()}
    baseline = "pot_log" if math.isnan(values["pot_plain"]) else "pot_plain"
    rows = []
    for solver, obstacle in obstacles.items():
        value = values.get(solver, math.nan)
        target = exact["regularised" if solver == "geomloss" else "linear"]
        solved, broken = not math.isnan(value), solver in values and math.isnan(value)
        compared = solved and baseline in medians
        rows.append(
            {
                "size": problem.size,
                "dtype": problem.dtype,
                "solver": solver,
                "seconds": medians[solver] if solved else None,
                "ratio_to_pot_plain": medians[solver] / medians[baseline] if compared else None,
                "peak_mib": _mebibytes(peak_memory(solver, problem)) if solved else None,
                "iterations": problem.iterations,
                "error_against_exact": abs(value - target) / target if solved else None,
                "note": "breaks down: costs underflow" if broken else obstacle or _comparison(baseline),
            }
        )
    return rows


def _obstacle(solver: str, problem: Problem) -> str:
    """Say why a solver cannot be measured; nothing if it can."""
    if solver == "geomloss" and find_spec("geomloss") is None:
        return "left out: not installed; uv sync --group bench"
    held = 3 * problem.iterations * problem.matrix_bytes
    if solver == "pot_log" and held > HELD_AT_MOST:
        return f"left out: its gradient would hold {held / 2**30:.1f} GiB"
    return ""


def _comparison(baseline: str) -> str:
    return "" if baseline == "pot_plain" else f"ratio to {baseline}"


def _mebibytes(size: int | None) -> float | None:
    return None if size is None else size / MIB
