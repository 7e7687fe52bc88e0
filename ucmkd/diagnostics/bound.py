"""Look at finished students of one cell: every term of the bound, on held-out data."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from ucmkd.diagnostics.students import student_outputs
from ucmkd.errors import RecordError
from ucmkd.files import read_json, write_json
from ucmkd.seeding import generator_for
from ucmkd.theory.bound import HeldOut, bound_terms
from ucmkd.theory.head import Head
from ucmkd.theory.kappa import histogram, plug_in_kernel
from ucmkd.training.student import Data
from ucmkd.training.teacher import CachedTeacher, read_teacher

ROWS = 2000
"""Rows of a side's split that take part at most; exact transport costs the cube of their number."""

Rows = NDArray[np.int64]


def bound(
    *,
    pair: str,
    regime: str,
    method: str,
    variant: str,
    seeds: Sequence[int],
    run_folder: str,
    teacher_folder: str,
    pair_folder: str,
    student_data: str,
    teacher_data: str,
    code: str,
    output: str,
) -> None:
    """Write every term of the bound for the finished students of a block, as JSON.

    All terms are taken on the test rows of both sides, after training and all choices; validation rows fit
    the two temperatures. The teacher is the one whose outputs the student saw: for the control of a random
    teacher the untrained one, for that of a shuffled teacher the real one.

    Parameters
    ----------
    pair, regime, method, variant : str
        The cell.
    seeds : sequence of int
    run_folder, teacher_folder : str
        Blocks of the finished students and of their teachers.
    pair_folder, student_data, teacher_data : str
    code : str
        Digest of the code; it takes part in the job's identity alone.
    output : str
        The file.

    Raises
    ------
    RecordError
        If a student has no record.
    DataError
        If a file is missing or damaged, or something is not finite.
    TransportError
        If the Sinkhorn iterations do not converge.
    """
    records = {record["seed"]: record for record in read_json(Path(run_folder) / "records.json")}
    missing = [seed for seed in seeds if seed not in records]
    if missing:
        raise RecordError(f"{run_folder}/records.json: no student with seed {missing[0]}; run the benchmark "
                          "again to train this block")  # fmt: skip
    data = Data.read(student_data, teacher_data, pair_folder)
    terms: list[dict[str, Any]] = []
    kappa: list[dict[str, Any]] = []
    for seed in seeds:
        untrained = records[seed]["control"] == "random"
        cached = read_teacher(teacher_folder, seed, untrained=untrained)
        head = Head(cached.head_weight.astype(np.float64), cached.head_bias.astype(np.float64))
        student, teacher = _student(run_folder, records[seed], data), _teacher(cached, data)
        found = bound_terms(student, teacher, head, generator_for(seed, "bound", pair))
        terms += [{"seed": seed, "term": term, "value": value} for term, value in sorted(found.items())]
        shares = histogram(
            plug_in_kernel(
                log_softmax(student.logits, axis=1),
                head.log_probabilities(student.features),
                student.labels,
            )
        )
        kappa += [{"seed": seed} | share for share in shares]
    cell = {"pair": pair, "regime": regime, "method": method, "variant": variant}
    label = records[seeds[0]]["label"]
    write_json(output, {**cell, "label": label, "terms": terms, "kappa": kappa})


def _student(run_folder: str, record: Mapping[str, Any], data: Data) -> HeldOut:
    side = data.split.student
    rows, validation = _some(side.test, data.split.name, "student"), _some(side.val, data.split.name, "val")
    features, logits = student_outputs(run_folder, record, data, rows)
    _, seen = student_outputs(run_folder, record, data, validation)
    return _held(features, logits, data.learning.labels[rows], seen, data.learning.labels[validation])


def _teacher(cached: CachedTeacher, data: Data) -> HeldOut:
    side, labels = data.split.teacher, data.teaching.labels
    rows, said = _some(side.test, data.split.name, "teacher"), cached.logits
    return _held(cached.features[rows], said[rows], labels[rows], said[side.val], labels[side.val])


def _held(
    features: NDArray[np.float32], logits: NDArray[np.float32], labels: Rows, seen: NDArray[np.float32],
    seen_labels: Rows,
) -> HeldOut:  # fmt: skip
    wide = [array.astype(np.float64) for array in (features, logits, seen)]
    return HeldOut(wide[0], wide[1], labels, wide[2], seen_labels)


def _some(rows: Rows, pair: str, purpose: str) -> Rows:
    """Draw at most 2,000 rows, the same for every method and seed of the pair."""
    if len(rows) <= ROWS:
        return rows
    return np.sort(generator_for(0, "bound rows", pair, purpose).permutation(rows)[:ROWS])
