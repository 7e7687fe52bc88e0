"""Turn a teacher dataset and a student dataset into a pair in one regime: index files, no copies."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ucmkd.data.base import SPLITS
from ucmkd.data.prepared import Prepared, read_prepared
from ucmkd.data.regimes import Regime, find_regime
from ucmkd.data.shifting import Pool, shift_pools
from ucmkd.data.shifts import Shift
from ucmkd.errors import DataError
from ucmkd.files import atomic_file, read_json, write_json
from ucmkd.seeding import generator_for
from ucmkd.settings import build, plain

SHOWN_PER_CLASS = 5
"""Student labels that stay visible in each class when a regime shows only a few."""

Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Side:
    """Rows of one dataset as a pair uses them.

    Attributes
    ----------
    train, val, test : arrays of int
        Row numbers of the dataset. A student trains on ``train``.
    """

    train: Rows
    val: Rows
    test: Rows


@dataclass(frozen=True)
class StudentSide(Side):
    """``labelled`` and ``partner`` run along ``train``; a partner is a row of the teacher dataset, or -1."""

    labelled: Mask
    partner: Rows


@dataclass(frozen=True)
class TeacherSide(Side):
    """``own`` and ``meets`` run along ``train``: rows that show no instance of the student's training rows,
    and rows that student batches may meet."""

    own: Mask
    meets: Mask


@dataclass(frozen=True)
class Pair:
    """A pair in one regime, as read back from disk."""

    name: str
    regime: Regime
    classes: tuple[str, ...]
    shift: Shift | None
    student: StudentSide
    teacher: TeacherSide

    def teacher_rows(self, pool: str) -> Rows:
        """Training rows of the teacher that trains on the pool ``full`` or ``own``, under whatever shift."""
        return self.teacher.train[self.teacher.own] if pool.startswith("own") else self.teacher.train


def pair_up(
    *,
    pair: str,
    teacher: str,
    student: str,
    regime: str,
    labels_per_class: int | None,
    student_share: float | None,
    shift: Mapping[str, Any] | None,
    folder: str,
) -> None:
    """Write ``student.csv``, ``teacher.csv`` and ``card.json`` of one pair in one regime.

    Parameters
    ----------
    pair : str
        Name; the choice of student rows depends on it alone, so that it is the same in every regime.
    teacher, student : str
        Folders of the prepared datasets.
    regime : str
    labels_per_class, student_share
        How many training samples the student has: a number of each class, a share in (0, 1], or all.
    shift : mapping or None
        Fields of the :class:`~ucmkd.data.shifts.Shift` that the regime names.
    folder : str

    Raises
    ------
    DataError
        If the label spaces differ, an instance stands in two splits, or no teacher row is left that the
        regime could use.
    """
    rule, teaching, learning = find_regime(regime), read_prepared(teacher), read_prepared(student)
    _check(pair, teaching, learning)
    draw = generator_for(0, "pair", pair)
    train = _limit(learning, labels_per_class, student_share, draw, pair)
    taught, change = teaching.rows("train"), None if shift is None else build(Shift, shift, "shift")
    paired, names = _paired(teaching, learning), teaching.pair_ids
    if change is not None:
        train, taught = _shifted(change, pair, (learning, train), (teaching, taught), paired)
    rows_of = {name: row for row, name in enumerate(names) if name} if paired else {}
    partner = np.array([rows_of.get(name, -1) for name in learning.pair_ids[train]], dtype=np.int64)
    if rule.paired_data and (partner < 0).any():
        raise DataError(f"{pair}: regime '{regime}' needs a partner for every student sample, and "
                        f"{(partner < 0).sum()} have none; choose an unpaired regime")  # fmt: skip
    own = ~np.isin(names[taught], names[partner[partner >= 0]])
    meets = own if rule.disjoint else np.ones_like(own)
    for mask, what in (
        (own, "own") if rule.teacher_pool == "own" else (meets, "meeting"),
        (meets, "meeting"),
    ):
        counts = np.bincount(teaching.labels[taught][mask], minlength=len(teaching.card["classes"]))
        if (counts == 0).sum() > (change.teacher_missing if change else 0):
            name = teaching.card["classes"][int(counts.argmin())]
            raise DataError(f"{pair}: no {what} teacher row of class '{name}' is left in regime '{regime}'; "
                            "give the student fewer rows by labels_per_class or student_share")  # fmt: skip
    kept = partner if rule.correspondence == "instance" else np.full_like(partner, -1)
    kept = _keep_fraction(kept, rule.fraction, draw)
    labelled = _shown(learning.labels[train], rule, draw)
    _write(Path(folder) / "student.csv", learning, train, {"labelled": labelled, "partner": kept})
    _write(Path(folder) / "teacher.csv", teaching, taught, {"own": own, "meets": meets})
    card = {
        "pair": pair,
        "regime": regime,
        "teacher": teaching.card["name"],
        "student": learning.card["name"],
        "classes": learning.card["classes"],
        "paired_by_nature": paired,
        "shift": None if change is None else plain(change),
        "student_rows": {"train": len(train)} | {part: len(learning.rows(part)) for part in ("val", "test")},
        "teacher_rows": {"train": len(taught)} | {part: len(teaching.rows(part)) for part in ("val", "test")},
        "labelled_rows": int(labelled.sum()),
        "own_teacher_rows": int(own.sum()),
        "meeting_teacher_rows": int(meets.sum()),
        "data": {"teacher": teaching.card["sha256"], "student": learning.card["sha256"]},
    }
    write_json(Path(folder) / "card.json", card)


def read_pair(folder: str | Path) -> Pair:
    """Read what :func:`pair_up` wrote.

    Raises
    ------
    DataError
        If a file is missing or damaged.
    """
    folder = Path(folder)
    card = read_json(folder / "card.json")
    student = _read(folder / "student.csv", "labelled", "partner")
    teacher = _read(folder / "teacher.csv", "own", "meets")
    for table, rows in (student, card["student_rows"]), (teacher, card["teacher_rows"]):
        if {part: len(table[part]) for part in SPLITS} != rows:
            raise DataError(f"{folder}: the tables do not match card.json; delete the folder and run again")
    return Pair(
        name=card["pair"],
        regime=find_regime(card["regime"]),
        classes=tuple(card["classes"]),
        shift=None if card["shift"] is None else build(Shift, card["shift"], f"{folder}/card.json"),
        student=StudentSide(student["train"], student["val"], student["test"],
                            student["labelled"].astype(bool), student["partner"]),
        teacher=TeacherSide(teacher["train"], teacher["val"], teacher["test"],
                            teacher["own"].astype(bool), teacher["meets"].astype(bool)),
    )  # fmt: skip


def _shifted(
    shift: Shift, pair: str, learning: tuple[Prepared, Rows], teaching: tuple[Prepared, Rows], paired: bool
) -> tuple[Rows, Rows]:
    """Give the training rows that a shift leaves to student and teacher."""
    student, teacher = (
        Pool(rows, data.labels, data.pair_ids if paired else np.full(len(data.labels), ""))
        for data, rows in (learning, teaching)
    )
    learned, taught = shift_pools(shift, pair, student, teacher, len(learning[0].card["classes"]))
    return learned.rows, taught.rows


def _paired(teaching: Prepared, learning: Prepared) -> bool:
    return teaching.card["instances"] is not None and teaching.card["instances"] == learning.card["instances"]


def _check(pair: str, teaching: Prepared, learning: Prepared) -> None:
    names = (teaching.card["classes"], learning.card["classes"])
    if names[0] != names[1]:
        odd = sorted(set(names[0]) ^ set(names[1]))
        what = f"class '{odd[0]}' is missing on one side" if odd else "the classes stand in another order"
        raise DataError(f"{pair}: {what} ({teaching.card['name']}, {learning.card['name']}); "
                        "a pair shares its label space")  # fmt: skip
    if _paired(teaching, learning):
        home: dict[str, str] = {}
        for side in (teaching, learning):
            for name, split in zip(side.pair_ids, side.split, strict=True):
                if name and home.setdefault(name, split) != split:
                    raise DataError(f"{pair}: instance '{name}' stands in {home[name]} and, in "
                                    f"{side.card['name']}, in {split}; all that shows it belongs to one "
                                    "split")  # fmt: skip


def _limit(
    learning: Prepared, per_class: int | None, share: float | None, draw: np.random.Generator, pair: str
) -> Rows:
    """Choose the student's training rows: a number or a share of each class, or all."""
    rows = learning.rows("train")
    chosen = []
    for label, name in enumerate(learning.card["classes"]):
        members = draw.permutation(rows[learning.labels[rows] == label])
        count = (
            per_class if per_class is not None else round((1.0 if share is None else share) * len(members))
        )
        if not 1 <= count <= len(members):
            raise DataError(f"{pair}: class '{name}' has {len(members)} training samples, {count} asked for; "
                            "change labels_per_class or student_share")  # fmt: skip
        chosen.append(members[:count])
    return np.sort(np.concatenate(chosen))


def _keep_fraction(partner: Rows, fraction: float, draw: np.random.Generator) -> Rows:
    if fraction == 1.0:
        return partner
    keep = draw.permutation(len(partner))[: round(fraction * len(partner))]
    kept = np.full_like(partner, -1)
    kept[keep] = partner[keep]
    return kept


def _shown(labels: Rows, regime: Regime, draw: np.random.Generator) -> Mask:
    if regime.labels == "all":
        return np.ones(len(labels), dtype=bool)
    shown = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        shown[draw.permutation(np.flatnonzero(labels == label))[:SHOWN_PER_CLASS]] = True
    return shown


def _write(path: Path, data: Prepared, train: Rows, columns: dict[str, NDArray[Any]]) -> None:
    with atomic_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["row", "split", *columns])
        values = [column.astype(int).tolist() for column in columns.values()]
        writer.writerows(zip(train.tolist(), ["train"] * len(train), *values, strict=True))
        for split in ("val", "test"):
            writer.writerows([row, split] + [""] * len(columns) for row in data.rows(split).tolist())


def _read(path: Path, *columns: str) -> dict[str, Rows]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            table = list(csv.DictReader(file))
        sides: dict[str, Rows] = {
            split: np.array([int(row["row"]) for row in table if row["split"] == split], dtype=np.int64)
            for split in SPLITS
        }
        train = [row for row in table if row["split"] == "train"]
        return sides | {name: np.array([int(row[name]) for row in train], dtype=np.int64) for name in columns}
    except (OSError, KeyError, ValueError, TypeError, csv.Error) as error:
        raise DataError(f"{path}: damaged ({error!r}); delete the folder and run again") from None
