"""The methods page of the report: what each method is, consumes and costs, and where it may run."""

import ast
import re
from pathlib import Path
from typing import Any

from ucmkd.data.regimes import ALONE, STRENGTH, find_regime, regime_names
from ucmkd.evaluation.tables import Tables
from ucmkd.report.grid import Column, Grid, each, name, number

METHODS = Path(__file__).resolve().parents[1] / "methods"


def methods(tables: Tables) -> Grid:
    """List the methods of a summary, one row each; costs are the mean over their default cells."""
    grid = Grid(
        [
            Column("Method"),
            Column("Name"),
            Column("What it is"),
            Column("Formula and source"),
            Column("Teacher gives", "What the distillation term takes from the teacher"),
            Column("Rows share", "What a teacher row and the student row beside it must share at least"),
            Column("Reads labels of", "In the distillation term; the task loss always reads the student's"),
            Column("May run in", "Regimes that give it what it needs; those in brackets on class statistics"),
            Column("Student passes", "Forward and backward, per step"),
            Column("Teacher passes", "Forward and backward, per step; 0 where what it says is stored"),
            Column("Aux. parameters", "Trained along and thrown away"),
        ]
    )
    costs = tables["costs"]
    for method, rows in costs[costs.variant == "default"].groupby("method", sort=False):
        first = next(each(rows))
        what, source = described(str(method))
        grid.rows.append(
            [
                name(first.label),
                name(method),
                name(_plain(what)),
                name(_plain(source)),
                name("" if _blank(first.needs_teacher) else str(first.needs_teacher).replace(" ", ", ")),
                name(first.needs_correspondence if first.needs_correspondence != "none" else "nothing"),
                name(_labels(first)),
                name(", ".join(allowed(first))),
                name(f"{rows.student_forwards.mean():.3g} + {rows.student_backwards.mean():.3g}"),
                name(f"{rows.teacher_forwards.mean():.3g} + {rows.teacher_backwards.mean():.3g}"),
                number(rows.aux_parameters.mean(), 0),
            ]
        )
    return grid


def described(method: str) -> tuple[str, str]:
    """Give the first paragraph of a method's file and of its class, without importing it."""
    path = METHODS / f"{method}.py"
    if not path.is_file():
        return "", ""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    (of_class,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Method")
    texts = (ast.get_docstring(node) or "" for node in (tree, of_class))
    what, source = (text.split("\n\n")[0].replace("\n", " ") for text in texts)
    return what, source


def allowed(row: Any) -> list[str]:
    """List the regimes that give a method what it needs."""
    if _blank(row.needs_teacher):
        return [ALONE]
    found = []
    for regime in map(find_regime, regime_names()):
        if row.needs_student_labels and regime.labels == "few":
            continue
        if STRENGTH[regime.correspondence] >= STRENGTH[row.needs_correspondence]:
            found.append(regime.name)
        elif not _blank(row.fallback):
            found.append(f"({regime.name})")
    return found


def _plain(text: str) -> str:
    """Drop the marks around formulas and code."""
    return re.sub(r":\w+:`([^`]*)`", r"\1", text).replace("``", "")


def _labels(row: Any) -> str:
    sides = [side for side in ("student", "teacher") if getattr(row, f"needs_{side}_labels")]
    return " and ".join(sides) or "neither"


def _blank(value: Any) -> bool:
    return not isinstance(value, str) or not value
