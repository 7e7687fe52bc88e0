"""Train the students of one cell, one a seed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ucmkd.data.pairing import Pair, read_pair
from ucmkd.data.prepared import Prepared, read_prepared
from ucmkd.data.sampling import sampler_for
from ucmkd.evaluation.metrics import reliability, score
from ucmkd.files import read_json
from ucmkd.methods.base import load_method, method_class, refuse_unless_provided
from ucmkd.seeding import generator_for, seed_for
from ucmkd.settings import build, plain
from ucmkd.training.block import SeedResult, digest_of, make_reproducible, run_block
from ucmkd.training.devices import Device, leased_device
from ucmkd.training.disturbance import disturbance_of
from ucmkd.training.inputs import Inputs
from ucmkd.training.network import build_network
from ucmkd.training.recipe import Recipe, Recipes
from ucmkd.training.runner import LiveTeacher, Runner, Supply, predict
from ucmkd.training.teacher import CachedTeacher, declared, read_teacher, teacher_network

Control = Literal["real", "shuffled", "random"]
REFERENCE_ROWS = 128
"""Validation rows of either side that the alignment of kept weights is measured on."""


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

    Raises
    ------
    ConfigError
        If the method needs what the regime does not give.
    DataError
        If a file is missing or damaged.
    TrainingError
        If a loss is not finite.
    """
    cell = Cell(pair, regime, method, variant, control, dict(settings), dict(model), recipes)
    learning, teaching, split = (
        read_prepared(student_data),
        read_prepared(teacher_data),
        read_pair(pair_folder),
    )
    refuse_unless_provided(method, method_class(method), split.regime)
    teachers = {record["seed"]: record["digest"] for record in read_json(f"{teacher_folder}/records.json")}
    facts = {"cell": cell.facts(), "device": device, "code": code,
             "data": [learning.card["sha256"], teaching.card["sha256"]],
             "pair": read_json(f"{pair_folder}/card.json"),
             "teachers": sorted(set(teachers.values()))}  # fmt: skip
    with leased_device(device) as leased:
        make_reproducible(leased)
        job = partial(cell.train, learning=learning, teaching=teaching, split=split,
                      teacher_folder=teacher_folder, device=leased)  # fmt: skip
        run_block(folder, seeds, "predictions", digest_of(facts), job)


class Cell:
    """One cell of the benchmark: a method in a regime of a pair, with its settings."""

    def __init__(
        self, pair: str, regime: str, method: str, variant: str, control: Control, values: dict[str, Any],
        model: dict[str, Any], recipes: Mapping[str, Mapping[str, Any]],
    ) -> None:  # fmt: skip
        self._names = {"pair": pair, "regime": regime, "method": method, "variant": variant}
        self._method, self._values, self._model, self._control = method, values, model, control
        self._recipes = Recipes(
            student=build(Recipe, recipes["student"], "training.student"),
            teacher=build(Recipe, recipes["teacher"], "training.teacher"),
        )

    def facts(self) -> dict[str, Any]:
        """Everything in the cell that decides its numbers."""
        recipes = {name: plain(getattr(self._recipes, name)) for name in ("student", "teacher")}
        return self._names | {"settings": self._values, "model": self._model, "control": self._control,
                              "recipes": recipes}  # fmt: skip

    def train(
        self,
        seed: int,
        *,
        learning: Prepared,
        teaching: Prepared,
        split: Pair,
        teacher_folder: str,
        device: str,
    ) -> SeedResult:
        """Train, choose the epoch on validation data, score test data once."""
        method = load_method(self._method, self._values)
        recipe = method.recipe(self._recipes)
        cached = read_teacher(teacher_folder, seed, untrained=self._control == "random")
        rows, disturb = split.student.train, disturbance_of(split.shift, "student", learning)
        sampler = sampler_for(split, recipe.batch_size, learning.labels, teaching.labels)
        meeting = split.teacher.train[split.teacher.meets]
        order = np.arange(len(cached.logits))
        if self._control == "shuffled":
            order = shuffled_order(order, meeting, seed)
        shown, bank, live = cached.reordered(order), None, None
        if method.needs.teacher:
            bank = shown.bank(meeting, teaching.labels, device)
        if method.needs.teacher & {"maps", "live"}:
            seen = disturbance_of(split.shift, "teacher", teaching)
            live = LiveTeacher(
                teacher_network(teacher_folder, cached.record, teaching, untrained=self._control == "random"),
                Inputs(teaching, order[meeting], device, seen),
            )
            live.network.to(device)
        if bank is not None and live is not None and "live" in method.needs.teacher:
            bank = replace(bank, network=live.network)
        labels = np.where(split.student.labelled, learning.labels[rows], -1)
        supply = Supply(
            Inputs(learning, rows, device, disturb),
            torch.from_numpy(labels).to(device),
            sampler,
            Inputs(learning, split.student.val, device, disturb),
            learning.labels[split.student.val],
            bank,
            live,
            _reference(split, cached, device),
        )
        network = build_network(
            self._model["encoder"], "student", tuple(learning.card["shape"]), self._model["width"],
            len(split.classes), self._model["project"], seed_for(seed, "student", "weights"),
            self._model["encoder_settings"],
        )  # fmt: skip
        fitted = Runner(network, method, recipe, supply, seed=seed, device=device).fit()
        network.load_state_dict(fitted.state, strict=True)
        network.to(device)
        test = split.student.test
        said = predict(network, dict(network.named_parameters()), Inputs(learning, test, device, disturb))
        logits = said.logits.cpu().numpy()
        cls = method_class(self._method)
        record = self._names | {
            "run_key": "/".join([*self._names.values(), f"seed{seed}"]),
            "stage": "student",
            "control": self._control,
            "label": cls.label,
            "needs": declared(cls.needs),
            "fallback": cls.fallback if _falls_back(method.needs.correspondence, split) else None,
            "settings": plain(method.settings),
            "recipe": plain(recipe),
            "model": self._model | {"size": "student"},
            "scores": {"val": fitted.validation, "test": score(logits, learning.labels[test])},
            "reliability": reliability(logits, learning.labels[test]),
            "best_epoch": fitted.best_epoch,
            "costs": fitted.costs,
            "teacher": {
                "run_key": cached.record["run_key"],
                "val_accuracy": cached.record["scores"]["val"]["accuracy"],
            },
            "device": device,
        }
        arrays: dict[str, NDArray[Any]] = {
            "ids": learning.ids[test], "labels": learning.labels[test], "logits": logits
        }  # fmt: skip
        return SeedResult(record, fitted.history, arrays, fitted.state)


def shuffled_order(order: NDArray[np.int64], rows: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Permute these rows of an order, across all classes; what a teacher says of a row stays together."""
    shuffled = order.copy()
    shuffled[rows] = generator_for(seed, "shuffled teacher").permutation(order[rows])
    return shuffled


def _falls_back(needed: str, split: Pair) -> bool:
    return needed != "none" and split.regime.correspondence == "none"


def _reference(split: Pair, teacher: CachedTeacher, device: str) -> tuple[NDArray[np.int64], Tensor]:
    """Choose validation rows of both sides, the same in every run of the pair."""
    draw = generator_for(0, "reference rows", split.name)
    positions = np.sort(draw.permutation(len(split.student.val))[:REFERENCE_ROWS])
    rows = np.sort(draw.permutation(split.teacher.val)[:REFERENCE_ROWS])
    return positions, torch.from_numpy(teacher.features[rows]).to(device)
