"""One student: everything in a cell that decides its numbers, trained with one seed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
from ucmkd.methods.base import Method, TeacherBank, TeacherPart, load_method, method_class
from ucmkd.seeding import generator_for, seed_for
from ucmkd.settings import build, plain
from ucmkd.training.block import SeedResult, digest_of, now
from ucmkd.training.disturbance import disturbance_of
from ucmkd.training.inputs import Inputs
from ucmkd.training.network import Network, build_network
from ucmkd.training.predict import predict
from ucmkd.training.recipe import Recipe, Recipes
from ucmkd.training.runner import Runner
from ucmkd.training.selection import Fitted
from ucmkd.training.supply import LiveTeacher, Supply
from ucmkd.training.teacher import CachedTeacher, declared, read_teacher, teacher_network
from ucmkd.training.together import Together, trains_together

Control = Literal["real", "shuffled", "random"]
REFERENCE_ROWS = 128
"""Validation rows of either side that the alignment of kept weights is measured on."""


@dataclass(frozen=True)
class Data:
    """Both datasets of a pair, and which rows of them a regime uses."""

    learning: Prepared
    teaching: Prepared
    split: Pair

    @classmethod
    def read(cls, student_data: str, teacher_data: str, pair_folder: str) -> "Data":
        """Open what was stored in these folders."""
        return cls(read_prepared(student_data), read_prepared(teacher_data), read_pair(pair_folder))

    def hashes(self) -> list[str]:
        """Name the samples of both sides."""
        return [self.learning.card["sha256"], self.teaching.card["sha256"]]


@dataclass(frozen=True)
class _Pool:
    """What the students of a cell share: how they are trained, and the rows that they learn and choose by."""

    recipe: Recipe
    training: Inputs
    labels: Tensor
    validation: Inputs

    @classmethod
    def of(cls, data: Data, recipe: Recipe, device: str) -> "_Pool":
        learning, mine = data.learning, data.split.student
        disturb = disturbance_of(data.split.shift, "student", learning)
        labels = np.where(mine.labelled, learning.labels[mine.train], -1)
        return cls(
            recipe,
            Inputs(learning, mine.train, device, disturb),
            torch.from_numpy(labels).to(device),
            Inputs(learning, mine.val, device, disturb),
        )


@dataclass(frozen=True)
class _Start:
    """One student before training, and its teacher."""

    runner: Runner
    teacher: CachedTeacher
    started: str


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

    def digest(self, data: Data, *, device: str, code: str, pair_folder: str, teacher_folder: str) -> str:
        """Name everything but the seed that the students of the cell depend on."""
        teachers = {record["digest"] for record in read_json(f"{teacher_folder}/records.json")}
        return digest_of(
            {
                "cell": self.facts(),
                "device": device,
                "code": code,
                "data": data.hashes(),
                "pair": read_json(f"{pair_folder}/card.json"),
                "teachers": sorted(teachers),
            }
        )

    def train(
        self, seeds: Sequence[int], *, data: Data, teacher_folder: str, device: str
    ) -> Iterator[SeedResult]:
        """Train, choose the epoch on validation data, score test data once."""
        learning, test = data.learning, data.split.student.test
        disturb = disturbance_of(data.split.shift, "student", learning)
        shown = Inputs(learning, test, device, disturb)
        for network, fitted, record in self._fit(seeds, data, teacher_folder, device):
            logits = predict(network, dict(network.named_parameters()), shown).logits.cpu().numpy()
            record["scores"]["test"] = score(logits, learning.labels[test])
            record["reliability"] = reliability(logits, learning.labels[test])
            arrays: dict[str, NDArray[Any]] = {
                "ids": learning.ids[test], "labels": learning.labels[test], "logits": logits
            }  # fmt: skip
            yield SeedResult(record, fitted.history, arrays, fitted.state)

    def try_out(
        self, seeds: Sequence[int], *, data: Data, teacher_folder: str, device: str
    ) -> Iterator[SeedResult]:
        """Train and score validation data alone: for choosing settings."""
        for _, fitted, record in self._fit(seeds, data, teacher_folder, device):
            yield SeedResult(record | {"stage": "trial"}, fitted.history, {}, {})

    def _fit(
        self, seeds: Sequence[int], data: Data, teacher_folder: str, device: str
    ) -> Iterator[tuple[Network, Fitted, dict[str, Any]]]:
        """Train; give the network at its best epoch, how it came about, a record without test scores."""
        method = load_method(self._method, self._values)
        pool = _Pool.of(data, method.recipe(self._recipes), device)
        starts = (self._start(seed, pool, data, teacher_folder, device) for seed in seeds)
        for start, fitted in _fitted(starts, method, self._model["encoder"], device):
            network = start.runner.network
            network.load_state_dict(fitted.state, strict=True)
            network.to(device)
            yield network, fitted, self._record(start, fitted, data.split, device)

    def _start(self, seed: int, pool: "_Pool", data: Data, teacher_folder: str, device: str) -> "_Start":
        """Make everything ready to train one seed."""
        started = now()
        learning, teaching, split = data.learning, data.teaching, data.split
        method = load_method(self._method, self._values)
        cached = read_teacher(teacher_folder, seed, untrained=self._control == "random")
        meeting = split.teacher.train[split.teacher.meets]
        order = np.arange(len(cached.logits))
        if self._control == "shuffled":
            order = shuffled_order(order, meeting, seed)
        bank, live = None, None
        if method.needs.teacher:
            bank, live = self._taught(method.needs.teacher, data, cached, order, teacher_folder, device)
        supply = Supply(
            pool.training,
            pool.labels,
            sampler_for(split, pool.recipe.batch_size, learning.labels, teaching.labels),
            pool.validation,
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
        runner = Runner(network, method, pool.recipe, supply, seed=seed, device=device)
        return _Start(runner, cached, started)

    def _record(self, start: "_Start", fitted: Fitted, split: Pair, device: str) -> dict[str, Any]:
        cls, runner = method_class(self._method), start.runner
        return self._names | {
            "run_key": "/".join([*self._names.values(), f"seed{runner.seed}"]),
            "stage": "student",
            "control": self._control,
            "label": cls.label,
            "needs": declared(cls.needs),
            "fallback": cls.fallback if _falls_back(runner.method.needs.correspondence, split) else None,
            "settings": plain(runner.method.settings),
            "recipe": plain(runner.recipe),
            "model": self._model | {"size": "student"},
            "scores": {"val": fitted.validation},
            "reliability": {},
            "best_epoch": fitted.best_epoch,
            "costs": fitted.costs,
            "teacher": {
                "run_key": start.teacher.record["run_key"],
                "val_accuracy": start.teacher.record["scores"]["val"]["accuracy"],
            },
            "device": device,
            "started": start.started,
        }

    def _taught(
        self, wanted: frozenset[TeacherPart], data: Data, cached: CachedTeacher, order: NDArray[np.int64],
        folder: str, device: str,
    ) -> tuple[TeacherBank, LiveTeacher | None]:  # fmt: skip
        """Give what a method takes of a teacher whose rows stand in this order."""
        teaching, split = data.teaching, data.split
        rows = split.teacher.train[split.teacher.meets]
        bank, live = cached.reordered(order).bank(rows, teaching.labels, device), None
        if wanted & {"inputs", "maps", "live"}:
            disturb = disturbance_of(split.shift, "teacher", teaching)
            inputs = Inputs(teaching, order[rows], device, disturb)
            if "inputs" in wanted:
                bank = replace(bank, inputs=inputs[np.arange(len(inputs))])
            if wanted & {"maps", "live"}:
                untrained = self._control == "random"
                network = teacher_network(folder, cached.record, teaching, untrained=untrained)
                live = LiveTeacher(network.to(device), inputs)
                bank = replace(bank, network=live.network) if "live" in wanted else bank
        return bank, live


def _fitted(
    starts: Iterable[_Start], method: Method[Any], encoder: str, device: str
) -> Iterator[tuple[_Start, Fitted]]:
    """Train in one pass where that pays, else one after the other."""
    if trains_together(method, encoder, device):
        ready = list(starts)
        yield from zip(ready, Together([start.runner for start in ready]).fit(), strict=True)
        return
    for start in starts:
        yield start, start.runner.fit()


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
