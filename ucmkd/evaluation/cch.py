"""What the complementarity hypothesis says of pairs, as tables: information, verdicts, facts beside them."""

import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ucmkd.errors import DataError, RecordError
from ucmkd.files import read_json

TRUE_PAIRS, WITHIN_CLASS = "true", "within_class"
"""Whether a teacher row stands beside the row of its instance, or beside another of its class."""

BETWEEN, ABOUT_STUDENT, ABOUT_TEACHER = "I(T;S)", "I(S;Y)", "I(T;Y)"
"""The quantities: T are features of the teacher, S of the student alone, Y labels."""

COMPARED = (("ksg", "mixed_ksg"), ("gaussian_cca", "gaussian_cca"), ("infonce", "probe"), ("mine", "probe"))
"""Estimators of I(T;S) and of I(S;Y) whose difference is a margin: those whose biases are most alike."""

MAIN = COMPARED[0]
"""The main verdict: both estimators look at neighbours and assume no shape of the distribution."""

NOT_IDENTIFIABLE = "not identifiable"
"""The verdict where nothing pairs the samples: then their joint distribution can be any."""

TOO_FEW_ROWS = "too few rows"
"""The verdict where the validation split is too small for the estimators."""

CCH = ("pair", "seed", "pairing", "quantity", "estimator", "value", "low", "high", "cap")
VERDICTS = ("pair", "seed", "pairing", "between", "about", "main", "margin", "verdict")
FACTS = ("pair", "seed", "name", "value")

Row = tuple[Any, ...]


def cch_table(files: Iterable[str | Path]) -> pd.DataFrame:
    """List every estimate of mutual information, in nats, one a row; empty where there is none.

    What is about labels does not depend on the pairing and stands once, under ``true``.

    Parameters
    ----------
    files : iterable of path
        See :func:`ucmkd.diagnostics.cch.cch`.

    Raises
    ------
    RecordError
        If a file is missing or damaged, or two hold the same seed of a pair.
    """

    def row(pair: str, of: Mapping[str, Any]) -> Row:
        names = (of["pairing"], of["quantity"], of["estimator"])
        return pair, of["seed"], *names, *(_number(of[each]) for each in ("value", "low", "high", "cap"))

    return _table(files, "rows", CCH, row)


def verdicts_table(files: Iterable[str | Path]) -> pd.DataFrame:
    """List every verdict, one a row; ``margin`` is I(T;S) - I(S;Y) in nats, ``main`` marks the main one.

    Parameters and errors are those of :func:`cch_table`.
    """

    def row(pair: str, of: Mapping[str, Any]) -> Row:
        compared = (of["between"], of["about"])
        return (pair, of["seed"], of["pairing"], *compared, compared == MAIN, _number(of["margin"]),
                of["verdict"])  # fmt: skip

    return _table(files, "verdicts", VERDICTS, row)


def facts_table(files: Iterable[str | Path]) -> pd.DataFrame:
    """List what other criteria of selection need, one number a row.

    Parameters and errors are those of :func:`cch_table`.
    """
    return _table(
        files, "facts", FACTS, lambda pair, of: (pair, of["seed"], of["name"], _number(of["value"]))
    )


def _table(
    files: Iterable[str | Path],
    part: str,
    columns: tuple[str, ...],
    row: Callable[[str, Mapping[str, Any]], Row],
) -> pd.DataFrame:
    rows: list[Row] = []
    sources: dict[tuple[str, int], Path] = {}
    for path in map(Path, files):
        try:
            content = read_json(path)
            found = [row(content["pair"], each) for each in content[part]]
        except (DataError, KeyError, TypeError, ValueError) as error:
            raise RecordError(f"{path}: damaged ({error!r}); delete it and run again") from None
        for key in {of[:2] for of in found}:
            if sources.setdefault(key, path) != path:
                raise RecordError(f"seed {key[1]} of pair {key[0]} stands in {sources[key]} and in {path}; "
                                  "delete the file that is out of date and run again")  # fmt: skip
        rows += found
    return pd.DataFrame(rows, columns=list(columns))


def _number(value: float | None) -> float:
    if value is None:
        return math.nan
    if isinstance(value, bool) or not math.isfinite(value):
        raise ValueError(f"{value} is not a number")
    return float(value)
