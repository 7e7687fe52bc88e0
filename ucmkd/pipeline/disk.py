"""How much of the disk a finished benchmark takes."""

import os
from collections.abc import Iterator
from pathlib import Path

from ucmkd.errors import ConfigError
from ucmkd.pipeline.rows import Row, row

KIB = 1024
BUDGET = "at most 1024"


def bench_disk(folder: Path) -> list[Row]:
    """Count the bytes of everything in ``results``, linked files once, and share them out among the runs.

    Raises
    ------
    ConfigError
        If no run has finished there.
    """
    results = folder / "results"
    runs = len(list(results.glob("runs/*/*/*/*/block*/models/*.safetensors")))
    if not runs:
        raise ConfigError(f"{results}: there is no finished run; run snakemake there first")
    seen: set[tuple[int, int]] = set()
    parts = {part.name: sum(_sizes(part, seen)) / KIB / runs for part in sorted(results.iterdir())}
    return [
        row("runs", runs),
        *(row(f"KiB a run in {name}", size) for name, size in parts.items()),
        row("KiB a run in all", sum(parts.values()), BUDGET),
    ]


def _sizes(path: Path, seen: set[tuple[int, int]]) -> Iterator[int]:
    found = path.lstat()
    if (found.st_dev, found.st_ino) not in seen:
        seen.add((found.st_dev, found.st_ino))
        yield found.st_size
    if path.is_dir() and not path.is_symlink():
        for entry in os.scandir(path):
            yield from _sizes(Path(entry), seen)
