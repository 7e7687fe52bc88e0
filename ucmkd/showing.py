"""Find the records of a run and lay them out for a reader."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ucmkd.config import no_such
from ucmkd.files import read_json

RESULTS = Path("results")
_KEY = re.compile(r"(?P<cell>[^/]+/[^/]+/[^/]+/[^/]+)(/seed(?P<seed>\d+))?")


def find_records(name: str) -> list[dict[str, Any]]:
    """Read the records of a run, of all seeds of a cell, or of a folder.

    Parameters
    ----------
    name : str
        ``pair/regime/method/variant/seed<n>``, the same without the seed, or a folder that holds records,
        directly or in blocks.

    Raises
    ------
    ConfigError
        If there is none; the message says which are nearest.
    """
    files = _record_files(Path(name))
    seed = None
    if not files and (match := _KEY.fullmatch(name)):
        cell = match["cell"]
        pair, pool, method, _ = cell.split("/")
        folder = RESULTS / "teachers" / pair / pool if method == "teacher" else RESULTS / "runs" / cell
        seed = None if match["seed"] is None else int(match["seed"])
        files = _record_files(folder)
    records = [record for file in files for record in read_json(file)]
    chosen = [record for record in records if seed in (None, record["seed"])]
    if not chosen:
        raise no_such("show", "finished run", name, [record["run_key"] for record in records] or _present())
    return chosen


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Lay out rows with the same keys under a heading, columns aligned."""
    if not rows:
        return "none"
    lines = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip()
                     for line in lines)  # fmt: skip


def overview(records: Iterable[Mapping[str, Any]]) -> str:
    """Lay out one line a run."""
    rows = []
    for record in records:
        scores = {f"{split} {metric}": value for split in ("val", "test")
                  for metric, value in record["scores"][split].items()}  # fmt: skip
        rows.append({"run": record["run_key"], "epoch": record["best_epoch"], **scores})
    return table(rows)


def details(record: Mapping[str, Any]) -> str:
    """Lay out everything a record says of one run, except its reliability bins."""
    scores = [{"split": split, **values} for split, values in record["scores"].items()]
    facts = {
        "method": record["label"],
        "teacher": record["teacher"] and record["teacher"]["run_key"],
        "control": record["control"],
        "best epoch": record["best_epoch"],
        "device": record["device"],
        "started": record["started"],
        "finished": record["finished"],
        "digest": record["digest"],
    }
    parts = [record["run_key"], _listing(facts), table(scores)]
    for section in ("settings", "recipe", "model", "costs", "versions"):
        if record[section]:
            parts.append(f"{section}\n{_listing(record[section])}")
    return "\n\n".join(parts)


def _listing(values: Mapping[str, Any]) -> str:
    width = max(map(len, values))
    return "\n".join(f"  {name.ljust(width)}  {_cell(value)}" for name, value in values.items())


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_cell, value)) or "-"
    return "-" if value is None else str(value)


def _record_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("records.json")) or sorted(folder.glob("block*/records.json"))


def _present() -> list[str]:
    """List the cells and teachers that have finished blocks."""
    runs = {"/".join(path.parts[-6:-2]) for path in RESULTS.glob("runs/*/*/*/*/block*/records.json")}
    teachers = {f"{'/'.join(path.parts[-4:-2])}/teacher/default"
                for path in RESULTS.glob("teachers/*/*/block*/records.json")}  # fmt: skip
    return sorted(runs | teachers)
