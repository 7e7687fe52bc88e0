"""The tables of the bound's terms and of the label transport kernel, and what the slack goes with."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from ucmkd.errors import DataError, RecordError
from ucmkd.files import read_json

CELL = ("pair", "regime", "method", "variant", "label")
TERM = ("seed", "term", "value")
SHARE = ("seed", "low", "high", "share")

Array = NDArray[np.float64]


def bound_table(files: Iterable[str | Path]) -> pd.DataFrame:
    """List every term of the bound, one number a row.

    Parameters
    ----------
    files : iterable of path
        See :func:`ucmkd.diagnostics.bound.bound`.

    Returns
    -------
    DataFrame
        Columns ``pair, regime, method, variant, label, seed, term, value``;
        :data:`ucmkd.theory.terms.TERMS` says what each term is.

    Raises
    ------
    RecordError
        If a file is missing or damaged, or a number stands there twice.
    """
    return _table(files, "terms", TERM, _term)


def kappa_table(files: Iterable[str | Path]) -> pd.DataFrame:
    """List the histogram of the label transport kernel, one bin a row.

    Returns
    -------
    DataFrame
        Columns ``pair, regime, method, variant, label, seed, low, high, share``.

    Raises
    ------
    RecordError
        As for :func:`bound_table`.
    """
    return _table(files, "kappa", SHARE, _share)


def _table(
    files: Iterable[str | Path], part: str, columns: tuple[str, ...], take: Callable[[Any], tuple[Any, ...]]
) -> pd.DataFrame:
    rows = [row for file in map(Path, files) for row in _rows(file, part, take)]
    table = pd.DataFrame(rows, columns=[*CELL, *columns])
    keys = [name for name in table.columns if name not in ("label", "value", "high", "share")]
    twice = table[table.duplicated(keys)]
    if len(twice):
        cell = "/".join(twice.iloc[0][list(CELL[:4])])
        raise RecordError(f"{cell} was diagnosed twice for seed {twice.iloc[0].seed}; delete the file that "
                          "is out of date and run again")  # fmt: skip
    return table


def _rows(file: Path, part: str, take: Callable[[Any], tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    try:
        said = read_json(file)
        cell = tuple(str(said[name]) for name in CELL)
        for row in said[part]:
            yield (*cell, *take(row))
    except (DataError, KeyError, TypeError, ValueError) as error:
        raise RecordError(f"{file}: damaged ({error!r}); delete it and run again") from None


def _term(row: Any) -> tuple[Any, ...]:
    return int(row["seed"]), str(row["term"]), _finite(row, "value")


def _share(row: Any) -> tuple[Any, ...]:
    return int(row["seed"]), *(_finite(row, name) for name in ("low", "high", "share"))


def _finite(row: Any, name: str) -> float:
    value = float(row[name])
    if not math.isfinite(value):
        raise ValueError(f"{name} is {value}")
    return value


@dataclass(frozen=True)
class Association:
    """Spearman's rank correlation of the slack with test accuracy, in [-1, 1]; NaN where one is constant.

    Attributes
    ----------
    overall : float
        Over all points, whatever the pair.
    within : float
        Of the ranks within each pair, minus their mean: what is left when pairs are not compared.
    given_teacher : float
        Over all points, given the teacher's error: the partial correlation of the ranks.
    """

    overall: float
    within: float
    given_teacher: float


def slack_points(bound: pd.DataFrame, scores: pd.DataFrame, ending: str) -> pd.DataFrame:
    """Put slack, teacher's error and test accuracy side by side, one finished student a row.

    Parameters
    ----------
    bound, scores : DataFrame
        From :func:`bound_table` and :func:`ucmkd.evaluation.scores.scores_table`.
    ending : str
        Of the names of the terms: empty, or ``_calibrated``.

    Returns
    -------
    DataFrame
        Columns ``pair, regime, method, variant, seed, slack, error, accuracy``.
    """
    keys = [*CELL[:4], "seed"]
    wanted = {f"slack/entropy{ending}": "slack", f"error/teacher{ending}": "error"}
    chosen = bound[bound.term.isin(wanted)]
    wide = chosen.pivot(index=keys, columns="term", values="value").reset_index().rename(columns=wanted)
    test = scores[(scores.split == "test") & (scores.metric == "accuracy")]
    points = wide.merge(test.rename(columns={"value": "accuracy"}), on=keys)
    return points[[*keys, "slack", "error", "accuracy"]]


def slack_association(points: pd.DataFrame) -> Association:
    """Say how the slack goes with accuracy.

    Seeds share teachers and cells share data, so the points are not independent and no p-value is given.

    Parameters
    ----------
    points : DataFrame
        From :func:`slack_points`.
    """
    slack, accuracy, error = (rankdata(points[name]) for name in ("slack", "accuracy", "error"))
    of_pair = points.groupby("pair")[["slack", "accuracy"]]
    centred = of_pair.rank() - of_pair.rank().groupby(points.pair).transform("mean")
    return Association(
        overall=_correlation(slack, accuracy),
        within=_correlation(centred.slack.to_numpy(), centred.accuracy.to_numpy()),
        given_teacher=_correlation(_without(slack, error), _without(accuracy, error)),
    )


def _without(values: Array, other: Array) -> Array:
    """Subtract what a straight line through ``other`` explains."""
    values, other = values - values.mean(), other - other.mean()
    square = other @ other
    rest: Array = values - (values @ other / square if square else 0.0) * other
    return rest


def _correlation(x: Array, y: Array) -> float:
    x, y = x - x.mean(), y - y.mean()
    size = math.sqrt((x @ x) * (y @ y))
    return float(x @ y) / size if size > 1e-9 * len(x) else math.nan
