"""What a finished run looks like in MLflow. Records and histories in, plain values out; no MLflow here."""

import csv
import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ucmkd.errors import RecordError
from ucmkd.files import read_json

SUMMARY = "summary"
TAGS = ("run_key", "pair", "regime", "method", "variant", "seed", "stage", "control")
PARAMETERS = ("settings", "recipe", "model", "needs", "fallback", "device", "versions")
LONGEST_PARAMETER = 6000

Curves = dict[int, list[tuple[int, str, float]]]
"""By seed: epoch, metric, value."""


@dataclass(frozen=True)
class Point:
    """One value of one metric; ``time`` in milliseconds since 1970."""

    metric: str
    value: float
    step: int
    time: int


@dataclass(frozen=True)
class Entry:
    """One run as it is published.

    Attributes
    ----------
    key : str
        The run key, unique in the benchmark.
    digest : str
        SHA-256 of everything that it is made of.
    name, note : str
        Its title in the list of runs, and a paragraph of Markdown for its own page.
    tags, parameters : dict of str
    points : tuple of Point
    files : tuple of (path, folder)
        Artifacts and the folder of the run in which each belongs.
    started, finished : int
        Milliseconds since 1970.
    """

    key: str
    digest: str
    name: str
    note: str
    tags: dict[str, str]
    parameters: dict[str, str]
    points: tuple[Point, ...]
    files: tuple[tuple[Path, str], ...]
    started: int
    finished: int


def read_blocks(folders: Iterable[str | Path]) -> list[Entry]:
    """Read the runs of some blocks, each a folder with ``records.json`` and ``history.csv``.

    Raises
    ------
    DataError
        If a file is missing or damaged.
    RecordError
        If a record lacks something, or two of them are of the same run.
    """
    entries: dict[str, Entry] = {}
    for folder in map(Path, folders):
        curves = _read_history(folder / "history.csv")
        for record in read_json(folder / "records.json"):
            try:
                entry = run_entry(record, curves.get(record["seed"], []))
            except (KeyError, TypeError, ValueError) as error:
                raise RecordError(
                    f"{folder / 'records.json'}: not a complete record ({error!r}); "
                    "delete the folder and run again"
                ) from None
            if entry.key in entries:
                raise RecordError(
                    f"{folder}: run '{entry.key}' is recorded twice; delete one of the two blocks"
                )
            entries[entry.key] = entry
    return list(entries.values())


def run_entry(record: Mapping[str, Any], curve: list[tuple[int, str, float]]) -> Entry:
    """Make an entry of one record and its rows of the history (epoch, metric, value)."""
    started, finished = milliseconds(record["started"]), milliseconds(record["finished"])
    digest = hashlib.sha256(json.dumps([record, curve], sort_keys=True).encode()).hexdigest()
    variant = "" if record["variant"] == "default" else f" ({record['variant']})"
    return Entry(
        key=record["run_key"],
        digest=digest,
        name=f"{record['method']}{variant} | {record['pair']} | {record['regime']} | seed {record['seed']}",
        note=_note(record),
        tags={name: str(record[name]) for name in TAGS},
        parameters=flatten({name: record[name] for name in PARAMETERS}),
        points=(*_final_points(record, finished), *_curve_points(curve, started, finished)),
        files=(),
        started=started,
        finished=finished,
    )


def summary_entry(
    summary_folder: str | Path, figures_folder: str | Path, report: str | Path, finished: int
) -> Entry | None:
    """Make the entry that carries tables, figures and report; None while there are none of them."""
    tables = sorted(Path(summary_folder).glob("*.csv"))
    figures = sorted(path for path in Path(figures_folder).glob("*") if path.suffix in (".png", ".svg"))
    reports = [path for path in (Path(report),) if path.is_file()]
    files = [(path, "") for path in reports]
    files += [(path, "figures") for path in figures] + [(path, "tables") for path in tables]
    if not files:
        return None
    sha = hashlib.sha256()
    for path, folder in files:
        content = path.read_bytes()
        sha.update(f"{folder}/{path.name} {len(content)}\n".encode() + content)
    return Entry(
        key=SUMMARY,
        digest=sha.hexdigest(),
        name=SUMMARY,
        note="All runs together: the report, its figures and its tables are under **Artifacts**.",
        tags={"run_key": SUMMARY, "stage": SUMMARY},
        parameters={},
        points=(),
        files=tuple(files),
        started=finished,
        finished=finished,
    )


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Write nested values as dotted names: ``{"a": {"b": 1}}`` becomes ``{"a.b": "1"}``.

    Strings stand as they are, everything else as JSON; what is longer than MLflow takes is cut.
    """
    flat: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value)
            flat[f"{prefix}{name}"] = text[:LONGEST_PARAMETER]
    return flat


def milliseconds(time: str) -> int:
    """Convert an ISO 8601 time to milliseconds since 1970; without a zone it is taken as UTC."""
    moment = datetime.fromisoformat(time)
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def _read_history(path: Path) -> Curves:
    curves: Curves = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                point = (int(row["epoch"]), row["metric"], float(row["value"]))
                curves.setdefault(int(row["seed"]), []).append(point)
    except (FileNotFoundError, KeyError, TypeError, ValueError) as error:
        raise RecordError(f"{path}: not a history ({error!r}); delete the folder and run again") from None
    return curves


def _curve_points(curve: list[tuple[int, str, float]], started: int, finished: int) -> list[Point]:
    """Place epochs evenly between start and end: the history says which epoch, not when."""
    last = max((epoch for epoch, _, _ in curve), default=0) or 1
    return [
        Point(metric, value, epoch, started + round((finished - started) * epoch / last))
        for epoch, metric, value in curve
        if math.isfinite(value)
    ]


def _final_points(record: Mapping[str, Any], finished: int) -> list[Point]:
    scores = record["scores"]
    final = {f"test/{name}": value for name, value in scores.get("test", {}).items()}
    final |= {f"best_val/{name}": value for name, value in scores["val"].items()}
    final |= {f"cost/{name}": value for name, value in record["costs"].items()}
    final["best_epoch"] = record["best_epoch"]
    return [Point(name, float(value), 0, finished) for name, value in final.items() if value is not None]


def _note(record: Mapping[str, Any]) -> str:
    lines = [
        f"**{record['label']}**, {record['stage']}, pair `{record['pair']}`, regime `{record['regime']}`"
    ]
    if record["control"] != "real":
        lines.append(f"Its teacher is {record['control']}: a control.")
    if record["fallback"]:
        lines.append(
            f"On class statistics, as `{record['fallback']}`: rows do not correspond in this regime."
        )
    if record["teacher"]:
        teacher = record["teacher"]
        lines.append(f"Teacher: `{teacher['run_key']}`, validation accuracy {teacher['val_accuracy']:.3f}")
    lines.append(f"Code: `{record['digest'][:12]}`")
    return "\n\n".join(lines)
