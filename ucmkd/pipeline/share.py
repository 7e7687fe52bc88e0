"""Where the time of the processor goes, in a finished benchmark."""

from pathlib import Path
from typing import Any

from ucmkd.errors import ConfigError
from ucmkd.files import read_json
from ucmkd.processor import STAMP

START, STEPS, EVALUATION = "start-up of training jobs", "training steps", "evaluation while training"
WRITING, REST = "writing runs", "other work of training jobs"
TEACHERS, STUDENTS = f"{STEPS} of teachers", f"{STEPS} of students"
OTHERS = {
    "downloads": "data",
    "data": "data",
    "pairs": "data",
    "diagnostics": "diagnosing",
    "summary.log": "summary",
    "figures.log": "figures",
    "figures": "figures",
    "report.log": "report",
    "tracking.log": "publishing",
    "snakemake.log": "Snakemake itself",
}
"""What a log is of that is not of a training job, by its first folder or name in ``results/logs``."""

PARTS = (TEACHERS, STUDENTS, EVALUATION, REST, WRITING, START, *dict.fromkeys(OTHERS.values()))
BUDGET = "at least 70"


def bench_share(folder: Path) -> list[dict[str, Any]]:
    """Share out the seconds of the processor that jobs wrote into their logs and records.

    A training job starts up until it begins with its first seed: it imports and reads data. Its other work is
    to build networks, read teachers, score test data and put outputs together. Steps on a GPU count by the
    clock.

    Returns
    -------
    list of dict
        For every part, and for all training steps: ``part``, ``seconds``, ``percent`` and ``budget``.

    Raises
    ------
    ConfigError
        If no job left its time.
    """
    seconds = _seconds(folder / "results")
    total = sum(seconds.values())
    if not total:
        raise ConfigError(f"{folder}/results/logs: no job says what it took; run the benchmark there first")
    training = seconds[TEACHERS] + seconds[STUDENTS]
    return [
        {"part": part, "seconds": value, "percent": 100 * value / total, "budget": budget}
        for part, value, budget in (
            *((part, seconds[part], None) for part in PARTS),
            (f"all {STEPS}", training, BUDGET),
        )
    ]


def _seconds(results: Path) -> dict[str, float]:
    total = dict.fromkeys(PARTS, 0.0)
    logs = results / "logs"
    for log in sorted(logs.rglob("*.log")):
        stamps = [float(seconds) for seconds in STAMP.findall(log.read_text(encoding="utf-8"))]
        place = log.relative_to(logs)
        records = results / place.with_suffix("") / "records.json"
        if not stamps:
            continue
        if records.is_file():
            for part, seconds in _of_training(stamps, read_json(records)).items():
                total[part] += seconds
        elif place.parts[0] in OTHERS:
            total[OTHERS[place.parts[0]]] += sum(stamps) if place.parts[0] == "snakemake.log" else stamps[-1]
    return total


def _of_training(stamps: list[float], records: list[dict[str, Any]]) -> dict[str, float]:
    """Share out the time of one job; seeds that an interrupted job left count as their records say."""
    spent = dict.fromkeys((TEACHERS, STUDENTS, EVALUATION, WRITING), 0.0) | {START: stamps[0]}
    for record in records:
        costs = record["costs"]
        steps = TEACHERS if record["stage"] == "teacher" else STUDENTS
        spent[steps] += costs["steps"] * costs["step_seconds"]
        spent[EVALUATION] += costs["evaluation_seconds"]
        spent[WRITING] += costs["write_seconds"]
    return spent | {REST: max(0.0, stamps[-1] - sum(spent.values()))}
