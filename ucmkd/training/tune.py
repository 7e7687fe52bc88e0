"""Try settings of a method out on seeds that are never reported, and keep the best by validation accuracy."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

from ucmkd.files import read_json, write_json, write_text
from ucmkd.methods.base import method_class, refuse_unless_provided
from ucmkd.training.block import make_reproducible, run_block
from ucmkd.training.devices import Device, leased_device
from ucmkd.training.search import choices
from ucmkd.training.student import Cell, Data

log = logging.getLogger(__name__)


def tune(
    *,
    pair: str,
    regime: str,
    method: str,
    settings: Mapping[str, Any],
    trials: int,
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
    """Train students with several settings; write ``records.json``, ``history.csv`` and ``best.json``.

    No test sample is read. A trial that is finished is not trained again.

    Parameters
    ----------
    pair, regime, method : str
    settings : mapping
        As configured; the first trial.
    trials : int
        Settings that are tried.
    seeds : sequence of int
        Students of each trial.
    pair_folder, student_data, teacher_data, teacher_folder, model, recipes, device, code
        As for :func:`ucmkd.training.distill.distill`.
    folder : str
        Of the three files.

    Raises
    ------
    ConfigError
        If the method needs what the regime does not give.
    TrainingError
        If a loss is not finite.
    """
    data = Data.read(student_data, teacher_data, pair_folder)
    refuse_unless_provided(method, method_class(method), data.split.regime)
    records: list[dict[str, Any]] = []
    tried = choices(method, settings, trials)
    with leased_device(device) as leased:
        make_reproducible(leased)
        for number, choice in enumerate(tried):
            log.info("trial %d of %d: %s", number + 1, trials, asdict(choice))
            cell = Cell(pair, regime, method, f"trial{number}", "real", choice.settings(settings),
                        dict(model), choice.recipes(recipes))  # fmt: skip
            digest = cell.digest(
                data, device=device, code=code, pair_folder=pair_folder, teacher_folder=teacher_folder
            )
            part = Path(folder) / ".trials" / f"trial{number}"
            job = partial(cell.try_out, data=data, teacher_folder=teacher_folder, device=leased)
            run_block(part, seeds, "arrays", digest, job)
            records += [
                record | {"choice": asdict(choice), "trial": number}
                for record in read_json(part / "records.json")
            ]
    write_json(Path(folder) / "records.json", records)
    write_text(Path(folder) / "history.csv", "seed,epoch,metric,value\n")
    best = best_trial(records)
    write_json(Path(folder) / "best.json", {"trial": best, **asdict(tried[best])})


def best_trial(records: Sequence[Mapping[str, Any]]) -> int:
    """Find the trial with the best mean validation accuracy; ties go to the lower loss, then the earlier."""

    def rank(trial: int) -> tuple[float, float, int]:
        scores = [record["scores"]["val"] for record in records if record["trial"] == trial]
        return -mean(s["accuracy"] for s in scores), mean(s["nll"] for s in scores), trial

    numbers: set[int] = {record["trial"] for record in records}
    return min(numbers, key=rank)
