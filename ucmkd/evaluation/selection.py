"""Which teacher to take, or none: what criteria say before training, and what was gained in the end."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from ucmkd.data.regimes import is_alone
from ucmkd.errors import DataError, RecordError
from ucmkd.evaluation.baselines import CONTROL_VARIANTS, REFERENCE
from ucmkd.evaluation.cch import COMPARED, MAIN, TRUE_PAIRS, facts_table, verdicts_table
from ucmkd.evaluation.statistics import LEVEL, bca_intervals, resample_indices
from ucmkd.files import read_json

Array = NDArray[np.float64]
Statistic = Callable[[Array, Array], Array]
"""From values and gains (resamples, combinations) to one number a resample; NaN where it is not defined."""
Measured = tuple[float, float, float]
"""A number with the ends of its interval; NaN where they are not known."""

UNKNOWN: Measured = (math.nan, math.nan, math.nan)

PAIRED, DEFAULT, PILOT_BASE = "paired", "default", "ce"
NO_TEACHER = "no distillation"
"""The choice to take no teacher: its gain is 0."""


def margin_name(between: str) -> str:
    """Name the criterion that is the margin with this estimator of I(T;S)."""
    return f"cch_{between}"


MAIN_MARGIN = margin_name(MAIN[0])
NATURAL_ZERO = {
    **{margin_name(between): True for between, _ in COMPARED},
    "gaussian_gain": True,
    "pilot_gain": True,
    "teacher_accuracy": False,
    "mfh_gamma": False,
}
"""Criteria, and whether they turn against distilling at 0: then a teacher has to beat 0 to be picked."""

SELECTION = (
    "student",
    "teacher",
    "pair",
    "regime",
    "method",
    "variant",
    "criterion",
    "value",
    "value_low",
    "value_high",
    "gain_points",
    "gain_low",
    "gain_high",
)
CRITERIA = ("criterion", "method", "variant", "n_students", "n_combinations")
OVER_STUDENTS = ("regret_points", "harmful_share", "spearman_within")
OVER_COMBINATIONS = ("spearman_overall", "auroc", "balanced_accuracy")

ENOUGH = 6
"""Students, or combinations, with fewer than which no interval is given."""

DEFINED = 0.95
"""The share of resamples in which a statistic has to be defined for its interval to be given."""


def selection_table(
    cch_files: Iterable[str | Path],
    pilot_folders: Iterable[str | Path],
    comparisons: pd.DataFrame,
    pairs: Mapping[str, Mapping[str, str]],
) -> pd.DataFrame:
    """List every criterion's value of every teacher of a student beside what the teacher was worth.

    Parameters
    ----------
    cch_files : iterable of path
        See :func:`ucmkd.diagnostics.cch.cch`.
    pilot_folders : iterable of path
        Blocks, see :func:`ucmkd.diagnostics.pilot.pilot`.
    comparisons : DataFrame
        From :func:`ucmkd.evaluation.comparisons.comparisons_table`.
    pairs : mapping
        The datasets of each pair, ``{"teacher": ..., "student": ...}``.

    Returns
    -------
    DataFrame
        One row a student, a teacher, a method that meets pairs, and a criterion. ``value`` is the mean over
        seeds with a 95 % BCa interval: nats for margins, a fraction for ``teacher_accuracy``, points of
        validation accuracy over ``ce`` for ``pilot_gain``, risk for ``gaussian_gain``, a share for
        ``mfh_gamma``. ``gain_points`` is the gain in test accuracy over ``ce_teacher_recipe`` with its
        interval. The row of "no distillation" has the gain 0, and the value 0 where a criterion turns
        against distilling there; elsewhere its value is empty, and it is never picked. Pilots are of default
        settings, so other variants have none. Pairs that were not diagnosed, or in which no method met pairs,
        are left out, and so are control variants.

    Raises
    ------
    RecordError
        If a file is missing or damaged, or is of a pair that is not in ``pairs``.
    """
    values = pd.concat([_from_cch(list(cch_files)), _from_pilots(pilot_folders)], ignore_index=True)
    for pair in values.pair.unique():
        if pair not in pairs:
            raise RecordError(f"a diagnosis of pair {pair}, which the configuration does not have; delete "
                              "its folder under results/diagnostics")  # fmt: skip
    gains = _paired_gains(comparisons)
    gains = gains[gains.pair.isin(values.pair)]
    by_name = values.groupby(["pair", "criterion", "method"], sort=False).value.agg(list).reset_index()
    known = {(of.pair, of.criterion, of.method): _mean(of.value) for of in _each(by_name)}
    rows: list[tuple[Any, ...]] = []
    for (method, variant), of_method in gains.groupby(["method", "variant"], sort=False):
        students = of_method.pair.map(lambda pair: pairs[pair]["student"])
        for student, of_student in of_method.groupby(students, sort=False):
            for criterion, natural_zero in NATURAL_ZERO.items():
                of = (PAIRED, method, variant, criterion)
                zero = (0.0, 0.0, 0.0) if natural_zero else UNKNOWN
                rows.append((student, NO_TEACHER, "", *of, *zero, 0.0, 0.0, 0.0))
                for row in _each(of_student):
                    name = f"{method}/{variant}" if criterion == "pilot_gain" else ""
                    value = known.get((row.pair, criterion, name), UNKNOWN)
                    gained = (_points(each) for each in (row.gain, row.ci_low, row.ci_high))
                    rows.append((student, pairs[row.pair]["teacher"], row.pair, *of, *value, *gained))
    return pd.DataFrame(rows, columns=list(SELECTION))


def criteria_table(selection: pd.DataFrame) -> pd.DataFrame:
    """Say of every criterion how well it selects teachers for a method, one row a criterion and method.

    Columns
    -------
    n_students, n_combinations : students, and teacher-student combinations, with a value and a gain.
    regret_points : gain of the best choice, "no distillation" included, minus that of the pick; mean over
        students. The pick has the greatest value; a criterion with a natural zero picks no teacher where no
        value is above 0.
    harmful_share : students whose pick is a teacher with a gain below 0.
    spearman_within : rank correlation of value and gain among a student's teachers, mean over students with
        at least two, so among two it is 1 or -1.
    spearman_overall : the same over all combinations; values of different students may not be comparable.
    auroc : chance that a teacher with a gain above 0 has a greater value than one without.
    balanced_accuracy : of the rule that a value above 0 means a gain above 0; for criteria with a natural
        zero.

    Each is followed by the ends of its 95 % bootstrap interval: BCa over students for the means over
    students, percentiles over combinations for the others. Combinations of one student share its data, so the
    latter intervals are too narrow. What cannot be computed is empty, and so are intervals from fewer than
    six. Gains are those that were measured: what they lack in precision, criteria lack in success.

    Parameters
    ----------
    selection : DataFrame
        From :func:`selection_table`, or its file read back.
    """
    rows: list[tuple[Any, ...]] = []
    for (criterion, method, variant), group in selection.groupby(
        ["criterion", "method", "variant"], sort=False
    ):
        teachers = group[group.teacher != NO_TEACHER].dropna(subset=["value", "gain_points"])
        students = [_numbers(each) for _, each in teachers.groupby("student", sort=False)]
        natural_zero = NATURAL_ZERO[str(criterion)]
        found = _over_students(students, natural_zero=natural_zero)
        found |= _over_combinations(*_numbers(teachers), natural_zero=natural_zero)
        counts = len(students), len(teachers)
        measured = (number for name in (*OVER_STUDENTS, *OVER_COMBINATIONS) for number in found[name])
        rows.append((criterion, method, variant, *counts, *measured))
    measures = [
        f"{name}{end}" for name in (*OVER_STUDENTS, *OVER_COMBINATIONS) for end in ("", "_low", "_high")
    ]
    return pd.DataFrame(rows, columns=[*CRITERIA, *measures])


def spearman(values: Array, gains: Array) -> Array:
    """Correlate the ranks of each row; NaN where either is constant."""
    ranks = [rankdata(each, axis=-1) for each in (values, gains)]
    x, y = (each - each.mean(axis=-1, keepdims=True) for each in ranks)
    spread = np.sqrt((x**2).sum(axis=-1) * (y**2).sum(axis=-1))
    return np.where(spread > 0, (x * y).sum(axis=-1) / np.where(spread > 0, spread, 1), np.nan)


def auroc(values: Array, gains: Array) -> Array:
    """Give each row's chance that a value with a gain above 0 exceeds one without; NaN if there are none."""
    ranks, positive = rankdata(values, axis=-1), gains > 0
    n = positive.sum(axis=-1)
    others = positive.shape[-1] - n
    above = np.where(positive, ranks, 0).sum(axis=-1) - n * (n + 1) / 2
    return np.where((n > 0) & (others > 0), above / np.maximum(n * others, 1), np.nan)


def balanced_accuracy(values: Array, gains: Array) -> Array:
    """Judge each row's rule that a value above 0 means a gain above 0; NaN where gains are of one kind."""
    said, positive = values > 0, gains > 0
    n = positive.sum(axis=-1)
    others = positive.shape[-1] - n
    right = (said & positive).sum(axis=-1) / np.maximum(n, 1)
    left = (~said & ~positive).sum(axis=-1) / np.maximum(others, 1)
    return np.where((n > 0) & (others > 0), (right + left) / 2, np.nan)


def _from_cch(files: list[str | Path]) -> pd.DataFrame:
    verdicts, facts = verdicts_table(files), facts_table(files)
    compared = [pair in COMPARED for pair in zip(verdicts.between, verdicts.about, strict=True)]
    margins = verdicts[np.array(compared, dtype=bool) & (verdicts.pairing == TRUE_PAIRS)]
    margins = margins.assign(criterion=margins.between.map(margin_name), value=margins.margin)
    named = facts[facts.name.isin(list(NATURAL_ZERO))].rename(columns={"name": "criterion"})
    columns = ["pair", "criterion", "seed", "value"]
    return pd.concat([margins[columns], named[columns]], ignore_index=True).assign(method="")


def _from_pilots(folders: Iterable[str | Path]) -> pd.DataFrame:
    """Give the gain of every pilot over that of ``ce`` with the same seed, in points."""
    scored: dict[tuple[str, str, int], float] = {}
    for path in (Path(folder) / "records.json" for folder in folders):
        try:
            for record in read_json(path):
                if record["regime"] == PAIRED or is_alone(record["regime"]):
                    key = record["pair"], record["method"], record["seed"]
                    scored[key] = 100 * record["scores"]["val"]["accuracy"]
        except (DataError, KeyError, TypeError) as error:
            raise RecordError(f"{path}: damaged ({error!r}); delete {path.parent} and run again") from None
    rows = [
        (pair, "pilot_gain", seed, value - scored[pair, PILOT_BASE, seed], f"{method}/{DEFAULT}")
        for (pair, method, seed), value in scored.items()
        if method != PILOT_BASE and (pair, PILOT_BASE, seed) in scored
    ]
    return pd.DataFrame(rows, columns=["pair", "criterion", "seed", "value", "method"])


def _paired_gains(comparisons: pd.DataFrame) -> pd.DataFrame:
    chosen = comparisons[
        (comparisons.regime == PAIRED)
        & (comparisons.baseline == REFERENCE)
        & (comparisons.metric == "accuracy")
        & ~comparisons.variant.isin(CONTROL_VARIANTS)
    ]
    names = ["pair", "method", "variant"]
    return chosen[[*names, "gain", "ci_low", "ci_high"]].astype(dict.fromkeys(names, object))


def _points(fraction: float) -> float:
    # In floating point 0.8 - 0.7 is not 0.1; the sign of a gain needs the decimals.
    return round(100 * fraction, 10)


def _each(table: pd.DataFrame) -> Iterator[Any]:
    yield from table.itertuples(index=False)


def _mean(numbers: list[float], fewest: int = 2) -> Measured:
    """Average the numbers that are known, with the BCa interval of as many as are needed."""
    values = np.array(numbers, dtype=np.float64)
    values = values[~np.isnan(values)]
    if not len(values):
        return UNKNOWN
    if len(values) < fewest:
        return float(values.mean()), math.nan, math.nan
    low, high = bca_intervals(values[None], resample_indices(len(values)))[0].tolist()
    return float(values.mean()), low, high


def _numbers(teachers: pd.DataFrame) -> tuple[Array, Array]:
    return teachers.value.to_numpy(np.float64), teachers.gain_points.to_numpy(np.float64)


def _over_students(of: list[tuple[Array, Array]], *, natural_zero: bool) -> dict[str, Measured]:
    picked = [_picked(values, gains, natural_zero=natural_zero) for values, gains in of]
    best = [max(0.0, float(gains.max())) for _, gains in of]
    within = [float(spearman(values, gains)) for values, gains in of if len(values) > 1]
    regrets = [most - gain for most, gain in zip(best, picked, strict=True)]
    numbers = regrets, [float(gain < 0) for gain in picked], within
    return {name: _mean(each, ENOUGH) for name, each in zip(OVER_STUDENTS, numbers, strict=True)}


def _picked(values: Array, gains: Array, *, natural_zero: bool) -> float:
    first = int(np.argmax(values))
    return 0.0 if natural_zero and values[first] <= 0 else float(gains[first])


def _over_combinations(values: Array, gains: Array, *, natural_zero: bool) -> dict[str, Measured]:
    statistics: tuple[Statistic, ...] = (spearman, auroc, balanced_accuracy)
    return {
        name: _resampled(statistic, values, gains)
        if len(values) and (natural_zero or statistic is not balanced_accuracy)
        else UNKNOWN
        for name, statistic in zip(OVER_COMBINATIONS, statistics, strict=True)
    }


def _resampled(statistic: Statistic, values: Array, gains: Array) -> Measured:
    """Compute a statistic of combinations, with the percentiles of its bootstrap."""
    point = float(statistic(values, gains))
    if math.isnan(point) or len(values) < ENOUGH:
        return point, math.nan, math.nan
    drawn = resample_indices(len(values))
    found = statistic(values[drawn], gains[drawn])
    found = found[~np.isnan(found)]
    if len(found) < DEFINED * len(drawn):
        return point, math.nan, math.nan
    low, high = np.quantile(found, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
    return point, low, high
