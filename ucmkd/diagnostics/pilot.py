"""A pilot: what a tenth of the training shows on validation data, to choose a teacher by."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ucmkd.methods.base import method_class, refuse_unless_provided
from ucmkd.training.block import SeedResult, make_reproducible, run_block
from ucmkd.training.devices import Device, leased_device
from ucmkd.training.student import Cell, Data

PART = 10
"""A pilot trains for one part in ten of the epochs, rounded up."""

EVALUATIONS = 1
"""A pilot is scored once, at its end: choosing among epochs so few would be luck."""


def pilot(
    *,
    pair: str,
    regime: str,
    method: str,
    settings: Mapping[str, Any],
    seeds: Sequence[int],
    pair_folder: str,
    student_data: str,
    teacher_data: str,
    teacher_folder: str,
    model: Mapping[str, Any],
    recipes: Mapping[str, Mapping[str, Any]],
    device: Device,
    code: str,
    folder: str,
) -> None:
    """Train short students, one a seed, and score them on validation data; write ``records.json``.

    No test sample is read. The teacher is trained in full: a pilot saves the student's training alone.

    Parameters
    ----------
    pair, regime, method : str
    settings : mapping
        The method's, as configured.
    seeds : sequence of int
    pair_folder, student_data, teacher_data, teacher_folder, model, recipes, device, code
        As for :func:`ucmkd.training.distill.distill`.
    folder : str
        Of the block.

    Raises
    ------
    ConfigError
        If the method needs what the regime does not give.
    TrainingError
        If a loss is not finite.
    """
    data = Data.read(student_data, teacher_data, pair_folder)
    refuse_unless_provided(method, method_class(method), data.split.regime)
    short = {role: shortened(recipe) for role, recipe in recipes.items()}
    cell = Cell(pair, regime, method, "pilot", "real", dict(settings), dict(model), short)
    digest = cell.digest(
        data, device=device, code=code, pair_folder=pair_folder, teacher_folder=teacher_folder
    )
    with leased_device(device) as leased:
        make_reproducible(leased)
        job = partial(_train, cell=cell, data=data, teacher_folder=teacher_folder, device=leased)
        run_block(folder, seeds, "arrays", digest, job)


def shortened(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Cut the epochs of a recipe to a tenth, at least one; its schedule falls over what is left."""
    return {**recipe, "epochs": -(-recipe["epochs"] // PART), "evaluations": EVALUATIONS}


def _train(
    seeds: Sequence[int], *, cell: Cell, data: Data, teacher_folder: str, device: str
) -> Iterator[SeedResult]:
    for tried in cell.try_out(seeds, data=data, teacher_folder=teacher_folder, device=device):
        yield replace(tried, record=tried.record | {"stage": "pilot"})
