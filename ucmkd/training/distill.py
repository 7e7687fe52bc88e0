"""Train the students of one cell, one a seed."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from ucmkd.methods.base import method_class, refuse_unless_provided
from ucmkd.training.block import make_reproducible, run_block
from ucmkd.training.choice import Choice
from ucmkd.training.devices import Device, leased_device
from ucmkd.training.student import Cell, Control, Data


def distill(
    *,
    pair: str,
    regime: str,
    method: str,
    variant: str,
    control: Control,
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
    tuned: str | None = None,
    own: Mapping[str, Any] | None = None,
) -> None:
    """Train one student a seed, and score each once on the test split after its epoch is chosen.

    Parameters
    ----------
    pair, regime, method, variant : str
        The cell.
    control : "real", "shuffled" or "random"
        Whose outputs the student sees: the teacher's, the teacher's permuted over all training samples, or
        those of the same network before training.
    settings : mapping
        The method's.
    seeds : sequence of int
    pair_folder, student_data, teacher_data, teacher_folder : str
    model : mapping
        ``encoder``, ``encoder_settings``, ``width`` and ``project``.
    recipes : mapping
        Fields of the two recipes, ``student`` and ``teacher``.
    device, code, folder : str
        As for :func:`ucmkd.training.teacher.train_teachers`.
    tuned : str or None
        What :func:`ucmkd.training.tune.tune` chose; it replaces settings that are not the variant's own.
    own : mapping
        What the variant itself sets.

    Raises
    ------
    ConfigError
        If the method needs what the regime does not give.
    DataError
        If a file is missing or damaged.
    TrainingError
        If a loss is not finite.
    """
    chosen = Choice.read(tuned)
    cell = Cell(pair, regime, method, variant, control, chosen.settings(settings, own), dict(model),
                chosen.recipes(recipes))  # fmt: skip
    data = Data.read(student_data, teacher_data, pair_folder)
    refuse_unless_provided(method, method_class(method), data.split.regime)
    digest = cell.digest(
        data, device=device, code=code, pair_folder=pair_folder, teacher_folder=teacher_folder
    )
    with leased_device(device) as leased:
        make_reproducible(leased)
        job = partial(cell.train, data=data, teacher_folder=teacher_folder, device=leased)
        run_block(folder, seeds, "predictions", digest, job)
