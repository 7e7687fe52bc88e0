"""How a batch of the student meets a batch of the teacher.

Student rows never depend on the regime: what changes is which teacher rows they meet, and (in
``unlabelled_student``) how many student labels are shown. Scores of one pair are therefore comparable
across its regimes. They do depend on the shift that may follow a regime, as in ``class_cond+long_tail``.
"""

import re
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from ucmkd.errors import ConfigError

Correspondence = Literal["instance", "class", "none"]
"""What row i of the teacher batch shares with row i of the student batch."""

STRENGTH: dict[Correspondence, int] = {"none": 0, "class": 1, "instance": 2}


@dataclass(frozen=True)
class Regime:
    """One row of the table of regimes.

    Attributes
    ----------
    name : str
    correspondence : "instance", "class" or "none"
    paired_data : bool
        Whether the pair must be paired by nature.
    fraction : float
        The share of student samples that keep their partner (``instance`` only).
    disjoint : bool
        Whether teacher rows showing an instance that the student trains on are left out of its batches.
    teacher_pool : "full" or "own"
        What the teacher itself was trained on: everything, or only the rows the disjoint student never sees.
    labels : "all" or "few"
        Whether the student's labels are all shown, or only a small seed set of each class.
    shift : str or None
        See ``ucmkd.data.shifts``.
    """

    name: str
    correspondence: Correspondence
    paired_data: bool = False
    fraction: float = 1.0
    disjoint: bool = False
    teacher_pool: Literal["full", "own"] = "full"
    labels: Literal["all", "few"] = "all"
    shift: str | None = None


SIGN = "+"
"""What stands between a regime and a shift."""

ALONE = "alone"
"""Where methods stand that take nothing from a teacher and see all labels: no regime touches them."""

_TABLE = {
    regime.name: regime
    for regime in (
        Regime(ALONE, "none"),
        Regime("paired", "instance", paired_data=True),
        Regime("class_cond", "class"),
        Regime("class_cond_disjoint", "class", disjoint=True),
        Regime("shuffled", "none"),
        Regime("disjoint", "none", disjoint=True),
        Regime("disjoint_teacher", "none", disjoint=True, teacher_pool="own"),
        Regime("unlabelled_student", "none", disjoint=True, labels="few"),
    )
}
_FRACTION = re.compile(r"frac(0\.\d+)")


def alone_in(regime: Regime) -> Regime:
    """Give the regime of methods without a teacher that are compared with those in this one.

    It is ``alone`` under the same shift, unless this regime changes what the student itself is shown.
    """
    return regime if regime.labels == "few" else find_regime(with_shift(ALONE, regime.shift))


def is_alone(name: str) -> bool:
    """Tell whether a regime is ``alone``, under whatever shift."""
    return name.partition(SIGN)[0] == ALONE


def with_shift(name: str, shift: str | None) -> str:
    """Name a regime, or a teacher's pool, under a shift."""
    return name if shift is None else f"{name}{SIGN}{shift}"


def regime_names() -> list[str]:
    """List the regimes; ``frac0.5`` stands for every ``frac<q>`` with 0 < q < 1."""
    return ["paired", "frac0.5", *(name for name in _TABLE if name not in ("paired", ALONE))]


@cache
def find_regime(name: str) -> Regime:
    """Look a regime up by name; whether there is a shift of that name is not looked at.

    Raises
    ------
    ConfigError
        If there is none of this name.
    """
    base, _, shift = name.partition(SIGN)
    if base in _TABLE:
        return replace(_TABLE[base], name=name, shift=shift or None)
    match = _FRACTION.fullmatch(base)
    if match and 0 < float(match[1]) < 1:
        return Regime(name, "instance", paired_data=True, fraction=float(match[1]), shift=shift or None)
    raise ConfigError(f"regimes: there is no '{name}'; known: {', '.join(regime_names())}")
