"""What was diagnosed of finished runs, as tables."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from ucmkd.evaluation.bound import bound_table, kappa_table
from ucmkd.evaluation.cch import cch_table, facts_table, verdicts_table
from ucmkd.evaluation.selection import criteria_table, selection_table
from ucmkd.evaluation.simulation import simulation_table


@dataclass(frozen=True)
class Diagnosed:
    """What the jobs of ``ucmkd.diagnostics`` left; nothing where nothing was asked for.

    Attributes
    ----------
    bound, cch, simulations : sequence of path
        Files.
    pilots : sequence of path
        Folders with records.
    pairs : mapping
        The ``teacher`` and the ``student`` of the pairs in ``cch``.
    """

    bound: Sequence[str | Path] = ()
    cch: Sequence[str | Path] = ()
    pilots: Sequence[str | Path] = ()
    simulations: Sequence[str | Path] = ()
    pairs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def tables(self, comparisons: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
        """Give each table with its name.

        Parameters
        ----------
        comparisons : DataFrame
            See :func:`ucmkd.evaluation.comparisons.comparisons_table`: what was really gained.
        """
        yield "bound", bound_table(self.bound)
        yield "kappa", kappa_table(self.bound)
        yield "cch", cch_table(self.cch)
        yield "verdicts", verdicts_table(self.cch)
        yield "facts", facts_table(self.cch)
        selection = selection_table(self.cch, self.pilots, comparisons, self.pairs)
        yield "selection", selection
        yield "criteria", criteria_table(selection)
        yield "simulation", simulation_table(self.simulations)
