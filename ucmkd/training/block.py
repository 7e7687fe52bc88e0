"""A block of seeds, trained by one job: each seed leaves its part, an interrupted block resumes.

Parts live in ``.seeds`` inside the block's folder. The block's outputs are hard links to them, so a block
that grows by some seeds trains only those.
"""

import csv
import hashlib
import json
import logging
import os
import platform
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from ucmkd import __version__
from ucmkd.errors import DataError
from ucmkd.files import atomic_file, atomic_folder, read_json, write_json
from ucmkd.training.selection import Row

log = logging.getLogger(__name__)
PARTS = ".seeds"
RECORD, HISTORY, ARRAYS, MODEL = "record.json", "history.json", "arrays.npz", "model.safetensors"


@dataclass(frozen=True)
class SeedResult:
    """What one seed leaves: its record, with when it was started, its history, its arrays and its weights."""

    record: dict[str, Any]
    history: list[Row]
    arrays: dict[str, NDArray[Any]]
    state: dict[str, torch.Tensor]


def run_block(
    folder: str | Path,
    seeds: Sequence[int],
    arrays_name: str,
    digest: str,
    train: Callable[[Sequence[int]], Iterable[SeedResult]],
) -> None:
    """Train the seeds that are missing, then put the block's outputs together.

    Parameters
    ----------
    folder : path
        Of the block.
    seeds : sequence of int
    arrays_name : str
        Folder for the arrays, ``predictions`` or ``outputs``.
    digest : str
        Of everything but the seed that a result depends on; a part with another digest is trained anew.
    train : callable
        From seeds to their results, in this order; each is stored as soon as it is there.
    """
    folder = Path(folder)
    parts = {seed: folder / PARTS / f"seed{seed}" for seed in seeds}
    missing = [seed for seed in seeds if not _is_done(parts[seed], digest)]
    log.info("%d of %d seeds are there already", len(seeds) - len(missing), len(seeds))
    for seed, result in zip(missing, train(missing) if missing else (), strict=True):
        record = result.record | {
            "seed": seed,
            "digest": digest,
            "versions": _versions(),
            "deterministic": torch.are_deterministic_algorithms_enabled()
            and not torch.is_deterministic_algorithms_warn_only_enabled(),
            "finished": now(),
        }
        with atomic_folder(parts[seed]) as temporary:
            begun = time.process_time()
            write_json(temporary / HISTORY, result.history)
            with (temporary / ARRAYS).open("wb") as file:
                np.savez_compressed(file, allow_pickle=False, **result.arrays)
            save_file(result.state, temporary / MODEL)
            record["costs"] |= {"write_seconds": time.process_time() - begun}
            write_json(temporary / RECORD, record)
        log.info("seed %d is stored", seed)
    _assemble(folder, seeds, arrays_name)


def make_reproducible(device: str) -> None:
    """Make results independent of the number of cores, and deterministic; on a GPU as far as torch can.

    ``torch.use_deterministic_algorithms`` does the same and imports the compiler, which takes seconds. Memory
    that an operation is going to write is not filled before: no operation here reads what it has not written.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(1)
    torch.set_deterministic_debug_mode("error" if device == "cpu" else "warn")
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def digest_of(values: Any) -> str:
    """Hash plain values."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _is_done(part: Path, digest: str) -> bool:
    try:
        current = bool(read_json(part / RECORD)["digest"] == digest)
        return current and all((part / name).exists() for name in (HISTORY, ARRAYS, MODEL))
    except (DataError, KeyError, TypeError):
        return False


def _assemble(folder: Path, seeds: Iterable[int], arrays_name: str) -> None:
    parts = {seed: folder / PARTS / f"seed{seed}" for seed in seeds}
    for name, source, suffix in ((arrays_name, ARRAYS, "npz"), ("models", MODEL, "safetensors")):
        with atomic_folder(folder / name) as temporary:
            for seed, part in parts.items():
                _link(part / source, temporary / f"seed{seed}.{suffix}")
    with atomic_file(folder / "history.csv") as path, path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["seed", "epoch", "metric", "value"])
        for seed, part in parts.items():
            writer.writerows([seed, *row] for row in read_json(part / HISTORY))
    write_json(folder / "records.json", [read_json(part / RECORD) for part in parts.values()])


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _versions() -> dict[str, str]:
    """Name what decides the last bits: programs, and the instructions that torch uses."""
    return {
        "ucmkd": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
    }


def now() -> str:
    """Say the time, as records do."""
    return datetime.now(UTC).isoformat(timespec="seconds")
