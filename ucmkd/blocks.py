"""How seeds are cut into blocks, one a job, and where blocks stand."""

from collections.abc import Iterable

BLOCK_SIZE = 10
"""Seeds that one job trains: its start-up costs seconds and would otherwise exceed the training."""


TUNING_BLOCK = 100_000
"""The block whose seeds settings are tuned on; no benchmark is so large that it reports them."""


def blocks(seeds: int) -> range:
    """Number the blocks of so many seeds."""
    return range(-(-seeds // BLOCK_SIZE))


def seeds_of(block: int, seeds: int) -> list[int]:
    """List the seeds of one block; more seeds add blocks and leave full ones as they are."""
    return list(range(block * BLOCK_SIZE, min((block + 1) * BLOCK_SIZE, seeds)))


def run_folders(cells: Iterable[str], seeds: int) -> list[str]:
    """List the block folders of students; a cell is ``pair/regime/method/variant``."""
    return [f"results/runs/{cell}/block{block}" for cell in cells for block in blocks(seeds)]


def tuning_seeds(count: int) -> list[int]:
    """List the seeds that settings are tuned on."""
    return [TUNING_BLOCK * BLOCK_SIZE + number for number in range(count)]


def tuning_folders(tuned: Iterable[str]) -> list[str]:
    """List the folders of trials; what is tuned is a ``pair/regime/method``."""
    return [f"results/tuning/{name}" for name in tuned]


def teacher_folders(teachers: Iterable[str], seeds: int) -> list[str]:
    """List the block folders of teachers; a teacher is ``pair/pool``."""
    return [f"results/teachers/{teacher}/block{block}" for teacher in teachers for block in blocks(seeds)]


def bound_files(cells: Iterable[str], seeds: int) -> list[str]:
    """List what ``bound`` leaves."""
    return _files("bound", cells, seeds)


def cch_files(pairs: Iterable[str], seeds: int) -> list[str]:
    """List what ``cch`` leaves."""
    return _files("cch", pairs, seeds)


def pilot_folders(piloted: Iterable[str], seeds: int) -> list[str]:
    """List the block folders of pilots; what is piloted is a ``pair/regime/method``."""
    return [f"results/diagnostics/pilot/{name}/block{block}" for name in piloted for block in blocks(seeds)]


def simulation_files(complementary: Iterable[str]) -> list[str]:
    """List what ``simulate`` leaves, where mutual information is estimated at all."""
    return ["results/diagnostics/simulation.json"] if any(complementary) else []


def run_keys(cells: Iterable[str], seeds: int) -> list[str]:
    """List the runs of cells, one a seed."""
    return [f"{cell}/seed{seed}" for cell in cells for seed in range(seeds)]


def _files(diagnosis: str, names: Iterable[str], seeds: int) -> list[str]:
    folder = f"results/diagnostics/{diagnosis}"
    return [f"{folder}/{name}/block{block}.json" for name in names for block in blocks(seeds)]
