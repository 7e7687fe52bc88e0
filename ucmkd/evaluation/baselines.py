"""What cells are compared with, and when a difference counts."""

from ucmkd.data.regimes import alone_in, find_regime
from ucmkd.evaluation.records import Cell

REFERENCE = "ce_teacher_recipe"
"""The baseline to beat: the student alone, trained as well as the teacher was."""

TRAINED_ALONE = ("ce", REFERENCE, "ce_matched", "ce_randpert", "label_smoothing")
SAME_REGIME = ("class_mean_soft",)
CONTROL_VARIANTS = ("shuffled_teacher", "random_teacher")
BASELINES = (*TRAINED_ALONE, *SAME_REGIME, *CONTROL_VARIANTS)

SIGN = {"accuracy": 1, "macro_f1": 1, "nll": -1, "ece": -1}
"""What a difference is multiplied by, so that a positive gain is better in every metric."""

EQUIVALENT = {"accuracy": 0.005, "macro_f1": 0.005, "nll": 0.01, "ece": 0.005}
"""Gains no greater than this, in the metric's unit, count as ties: half a point, a hundredth of a nat."""


def baseline_cell(cell: Cell, baseline: str) -> Cell | None:
    """Name the cell that a baseline means for a cell; None where it means none, or the cell itself.

    Baselines that are trained alone stand in regime ``alone`` of the same pair (in the
    same regime where that hides student labels), ``class_mean_soft`` in the
    same regime. ``shuffled_teacher`` and ``random_teacher`` are variants of the same method with its default
    settings, so they are baselines of the default variant alone.
    """
    if baseline in TRAINED_ALONE:
        other = Cell(cell.pair, alone_in(find_regime(cell.regime)).name, baseline, "default")
    elif baseline in SAME_REGIME:
        other = Cell(cell.pair, cell.regime, baseline, "default")
    elif cell.variant == "default":
        other = cell._replace(variant=baseline)
    else:
        return None
    return None if other == cell else other
