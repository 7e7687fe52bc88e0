"""Turn the records of a benchmark into its tables."""

from collections.abc import Iterable
from pathlib import Path

from ucmkd.evaluation.across import across_table, ranks_table
from ucmkd.evaluation.comparisons import ablations_table, comparisons_table
from ucmkd.evaluation.diagnosed import Diagnosed
from ucmkd.evaluation.history import history_table
from ucmkd.evaluation.records import read_runs
from ucmkd.evaluation.scores import (
    costs_table,
    environment_table,
    reliability_table,
    scores_table,
    teachers_table,
)
from ucmkd.evaluation.tables import write_table
from ucmkd.evaluation.trials import trials_table


def summarise(
    runs: Iterable[str | Path],
    teachers: Iterable[str | Path],
    cells: Iterable[str],
    folder: str | Path,
    tuned: Iterable[str | Path] = (),
    diagnosed: Diagnosed | None = None,
) -> None:
    """Write every table of ``ucmkd.evaluation.TABLES`` into a folder.

    Parameters
    ----------
    runs, teachers : iterable of path
        Blocks of finished students and teachers.
    cells : iterable of str
        Keys of the runs that the configuration asks for, in the order in which tables list them.
    folder : path
    tuned : iterable of path
        Folders of trials, where settings were tuned.
    diagnosed : Diagnosed, optional
        What was looked at in finished runs; nothing if left out.

    Raises
    ------
    RecordError
        If a run, or the teacher of one, is missing, damaged or there twice.
    """
    students = read_runs(runs, cells)
    taught_by = read_runs(teachers, students.teachers)
    write_table(folder, "trials", trials_table(tuned))
    write_table(folder, "history", history_table(students, taught_by))
    write_table(folder, "reliability", reliability_table(students, taught_by))
    write_table(folder, "teachers", teachers_table(taught_by))
    write_table(folder, "costs", costs_table(students))
    write_table(folder, "environment", environment_table(students))
    scores = scores_table(students)
    write_table(folder, "scores", scores)
    write_table(folder, "ranks", ranks_table(scores))
    del scores
    comparisons = comparisons_table(students)
    write_table(folder, "comparisons", comparisons)
    write_table(folder, "across", across_table(comparisons))
    for name, table in (diagnosed or Diagnosed()).tables(comparisons):
        write_table(folder, name, table)
    write_table(folder, "ablations", ablations_table(students))
