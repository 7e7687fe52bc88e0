"""Tables of the report: columns with a meaning, fields with an order."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from ucmkd.evaluation.headline import gain_text, signed

NONE = "–"
"""What stands where there is nothing to say."""


@dataclass(frozen=True)
class Column:
    """A column's title, and what it means where the title does not say it."""

    title: str
    meaning: str = ""


@dataclass(frozen=True)
class Field:
    """A text, what the table is sorted by in its place, and its tone: "good", "bad", "name" or none."""

    text: str
    order: float | str = ""
    tone: str = ""


@dataclass(frozen=True)
class Grid:
    """A table."""

    columns: Sequence[Column]
    rows: list[list[Field]] = field(default_factory=list)


def each(table: pd.DataFrame) -> Iterator[Any]:
    """Give the rows of a table, with its columns as attributes."""
    yield from table.itertuples(index=False)


def name(text: Any) -> Field:
    """Show a name, or nothing."""
    return Field(NONE, "", "name") if pd.isna(text) or text == "" else Field(str(text), str(text), "name")


def number(value: float, digits: int = 1, scale: float = 1.0) -> Field:
    """Show a number."""
    return Field(NONE, -1e300) if math.isnan(value) else Field(f"{scale * value:.{digits}f}", scale * value)


def gain(row: Any, scale: float = 100.0, digits: int = 1) -> Field:
    """Show a gain with its interval, toned if the interval leaves out zero."""
    values = (scale * row.gain, scale * row.ci_low, scale * row.ci_high)
    tone = "good" if values[1] > 0 else "bad" if values[2] < 0 else ""
    return Field(gain_text(*values, digits), values[0], tone)


def signed_number(value: float) -> Field:
    """Show a difference of fractions in points, with its sign."""
    return Field(NONE, -1e300) if math.isnan(value) else Field(signed(100 * value), 100 * value)


def p_value(value: float) -> Field:
    """Show a p-value."""
    if math.isnan(value):
        return Field(NONE, 2.0)
    return Field("< 0.001" if value < 0.001 else f"{value:.3f}", value)


def spread(values: "pd.Series[Any]", digits: int = 1, scale: float = 1.0) -> Field:
    """Show mean and standard deviation, or the only value."""
    of = scale * values.astype(float)
    text = f"{of.mean():.{digits}f}" + (f" ± {of.std():.{digits}f}" if len(of) > 1 else "")
    return Field(text, float(of.mean()))


def yes(value: Any) -> Field:
    """Show a truth, or nothing where it is not known."""
    return Field(NONE, "") if pd.isna(value) else Field("yes" if value else "no", "yes" if value else "no")
