"""How measurements stand beside their budgets."""

from typing import Any

from ucmkd.pipeline.processes import Cost

Row = dict[str, Any]


def row(what: str, measured: float, budget: str | None = None) -> Row:
    """Give one line of a table; what is measured says its unit."""
    return {"what": what, "measured": measured, "budget": budget}


def cost_rows(cost: Cost, *, seconds: float, memory: float | None = None) -> list[Row]:
    """Lay out what a program took.

    The budget of time holds for the processor: the time on the clock depends on what else the machine does.

    Parameters
    ----------
    cost : Cost
    seconds, memory : float
        Budgets; memory in MiB.
    """
    return [
        row("seconds of the processor", cost.processor, f"at most {seconds:g}"),
        row("seconds on the clock", cost.wall),
        row("peak memory (MiB)", cost.memory, None if memory is None else f"at most {memory:g}"),
    ]
