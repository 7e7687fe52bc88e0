"""What the records of finished runs say, together: scores, comparisons, costs."""

TABLES = (
    "scores",
    "comparisons",
    "ablations",
    "across",
    "ranks",
    "costs",
    "history",
    "reliability",
    "teachers",
    "trials",
    "bound",
    "kappa",
    "cch",
    "verdicts",
    "facts",
    "selection",
    "criteria",
    "simulation",
    "environment",
)
"""The tables of a summary, each a file of that name in ``results/summary``."""
