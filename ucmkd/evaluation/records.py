"""Read the records that runs leave into columns, one entry a run, in the order in which runs are expected."""

import logging
from array import array
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from ucmkd.errors import RecordError

log = logging.getLogger(__name__)

SPLITS = ("val", "test")
METRICS = ("accuracy", "macro_f1", "nll", "ece")
COSTS = (
    "steps",
    "student_forwards",
    "student_backwards",
    "teacher_forwards",
    "teacher_backwards",
    "aux_parameters",
    "parameters",
    "ot_iterations",
    "step_seconds",
    "fit_seconds",
)
RECORDS = "records.json"
_SHOWN = 5


class Cell(NamedTuple):
    """What runs that differ in their seed alone have in common."""

    pair: str
    regime: str
    method: str
    variant: str


class Declaration(NamedTuple):
    """What a cell says of itself, for all of its seeds.

    ``teacher`` names the parts of the teacher that are consumed, joined by spaces. ``fallback`` is empty
    unless another method stands for this one.
    """

    label: str
    control: str
    teacher: str
    correspondence: str
    student_labels: bool
    teacher_labels: bool
    fallback: str


class Block(NamedTuple):
    """A folder of finished runs, the number of their cell, and those of their seeds that are expected."""

    folder: Path
    cell: int
    seeds: tuple[int, ...]


class Bins(NamedTuple):
    """Columns of confidence bins: number of the cell, mean confidence and accuracy, and count of samples."""

    cell: "array[int]"
    confidence: "array[float]"
    accuracy: "array[float]"
    samples: "array[int]"


class Runs:
    """Columns of records: entry i of every array belongs to the i-th expected run.

    Attributes
    ----------
    keys : sequence of str
        The expected run keys.
    cells : dict
        Number of each cell, counted from 0 as they appear among the expected runs' records.
    declared : dict
        Declaration of each cell, by its number.
    cell, seed, best_epoch : array of int
    scores : dict
        An array for each (split, metric).
    costs : dict
        An array for each entry of the ledger.
    bins : Bins
        Reliability on the test split, an entry for each bin of each run.
    environment : Counter
        Number of runs by (item, value) of their versions and device.
    teachers : dict
        Run keys of the teachers that the runs learned from, as an ordered set.
    blocks : list of Block
    """

    def __init__(self, keys: Iterable[str]) -> None:
        self.keys = list(dict.fromkeys(keys))
        self.position = {key: number for number, key in enumerate(self.keys)}
        self.sources: dict[int, Path] = {}
        self.cells: dict[Cell, int] = {}
        self.declared: dict[int, Declaration] = {}
        self.cell, self.seed, self.best_epoch = (array("q", bytes(8 * len(self))) for _ in range(3))
        self.scores = {(s, m): array("d", bytes(8 * len(self))) for s in SPLITS for m in METRICS}
        self.costs = {name: array("d", bytes(8 * len(self))) for name in COSTS}
        self.bins = Bins(array("q"), array("d"), array("d"), array("q"))
        self.environment: Counter[tuple[str, str]] = Counter()
        self.teachers: dict[str, None] = {}
        self.blocks: list[Block] = []

    def __len__(self) -> int:
        return len(self.keys)


def read_runs(folders: Iterable[str | Path], expected: Iterable[str]) -> Runs:
    """Read blocks of records; those of runs that nobody expects are left out and logged.

    Parameters
    ----------
    folders : iterable of path
        Blocks, each with a ``records.json``.
    expected : iterable of str
        Run keys, ``pair/regime/method/variant/seed<n>``.

    Raises
    ------
    RecordError
        If a block is missing or damaged, an expected run has no record, or two records claim the same run.
    """
    runs = Runs(expected)
    unexpected = 0
    for folder in map(Path, folders):
        path = folder / RECORDS
        taken = []
        for record in _load(path):
            position = runs.position.get(_key(record, path))
            if position is None:
                unexpected += 1
                continue
            _refuse_second(runs, position, folder)
            try:
                _take(runs, record, position)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise _damaged(path, f"{runs.keys[position]}: {error!r}") from None
            taken.append(position)
        if taken:
            cell = runs.cell[taken[0]]
            runs.blocks.append(Block(folder, cell, tuple(runs.seed[position] for position in taken)))
    if unexpected:
        log.info("left out %d records of runs that nobody expects", unexpected)
    _refuse_missing(runs)
    return runs


def _load(path: Path) -> list[Any]:
    """Read one file; numbers that are not finite are no JSON, and are refused with all else that is not."""
    try:
        records = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        raise RecordError(f"{path}: no such file; run the benchmark again to train this block") from None
    except ValueError as error:
        raise _damaged(path, f"not JSON: {error}") from None
    if not isinstance(records, list):
        raise _damaged(path, "not a list of records")
    return records


def _key(record: Any, path: Path) -> str:
    try:
        key = (
            f"{record['pair']}/{record['regime']}/{record['method']}/{record['variant']}/seed{record['seed']}"
        )
        claimed = record["run_key"]
    except (KeyError, TypeError) as error:
        raise _damaged(path, f"a record does not say which run it is: {error!r}") from None
    if key != claimed:
        raise _damaged(path, f"a record of {key} claims to be {claimed}")
    return key


def _take(runs: Runs, record: dict[str, Any], position: int) -> None:
    name = Cell(record["pair"], record["regime"], record["method"], record["variant"])
    cell = runs.cells.setdefault(name, len(runs.cells))
    if cell not in runs.declared:
        runs.declared[cell] = _declaration(record)
    runs.cell[position] = cell
    runs.seed[position] = record["seed"]
    runs.best_epoch[position] = record["best_epoch"]
    for (split, metric), column in runs.scores.items():
        column[position] = record["scores"][split][metric]
    for entry, column in runs.costs.items():
        column[position] = record["costs"][entry]
    bins = record["reliability"]
    confidence, accuracy, counts = bins["confidence"], bins["accuracy"], bins["count"]
    if not len(confidence) == len(accuracy) == len(counts):
        raise ValueError("bins of reliability without confidence, accuracy or count")
    runs.bins.cell.extend([cell] * len(counts))
    runs.bins.confidence.extend(confidence)
    runs.bins.accuracy.extend(accuracy)
    runs.bins.samples.extend(counts)
    for item, value in record["versions"].items():
        runs.environment[item, str(value)] += 1
    runs.environment["device", str(record["device"])] += 1
    if record["teacher"] is not None and record["control"] != "random":
        runs.teachers[record["teacher"]["run_key"]] = None


def _declaration(record: dict[str, Any]) -> Declaration:
    needs = record["needs"]
    return Declaration(
        label=record["label"],
        control=record["control"],
        teacher=" ".join(sorted(needs["teacher"])),
        correspondence=needs["correspondence"],
        student_labels=bool(needs["student_labels"]),
        teacher_labels=bool(needs["teacher_labels"]),
        fallback=record["fallback"] or "",
    )


def _damaged(path: Path, why: str) -> RecordError:
    return RecordError(f"{path}: damaged ({why}); delete {path.parent} and run again")


def _refuse_second(runs: Runs, position: int, folder: Path) -> None:
    first = runs.sources.get(position)
    if first is not None:
        raise RecordError(
            f"run {runs.keys[position]} has two records, in {first} and in {folder}; "
            "delete the folder that is out of date and run again"
        )
    runs.sources[position] = folder


def _refuse_missing(runs: Runs) -> None:
    missing = [key for number, key in enumerate(runs.keys) if number not in runs.sources]
    if missing:
        shown = ", ".join(missing[:_SHOWN]) + (", …" if len(missing) > _SHOWN else "")
        raise RecordError(
            f"{len(missing)} of {len(runs)} expected runs have no record: {shown}; "
            "run the benchmark again, which trains these and keeps the finished ones"
        )
