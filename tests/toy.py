"""The toy pair: two modalities of the same instances, four classes, a few hundred rows, made in code."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from ucmkd.data import base
from ucmkd.data.base import Samples
from ucmkd.data.pairing import Pair, pair_up, read_pair
from ucmkd.data.prepared import Prepared, read_prepared, write_prepared
from ucmkd.data.sampling import Meeting, sampler_for
from ucmkd.methods.base import Batch, Context, Method, Outputs, TeacherBank, TeacherRows, load_method
from ucmkd.settings import NoSettings, plain
from ucmkd.training.inputs import Inputs
from ucmkd.training.monitor import Monitor
from ucmkd.training.network import (
    FunctionalNetwork,
    Network,
    Project,
    build_network,
    map_shapes,
    maps_of,
    watched,
)
from ucmkd.training.recipe import Recipe, Recipes
from ucmkd.training.runner import Runner
from ucmkd.training.supply import LiveTeacher, Supply
from ucmkd.training.teacher import CachedTeacher

CLASSES = ("circle", "line", "point", "square")
PER_CLASS = {"train": 40, "val": 12, "test": 12}
LABELS_PER_CLASS = 20
WIDTH = 8
STUDENT = Recipe(epochs=2, batch_size=32, evaluations=2)
TEACHER = Recipe(optimiser="adamw", learning_rate=0.003, epochs=2, batch_size=32, evaluations=2)


class ToyDataset(base.Dataset[NoSettings]):
    """Samples that are given."""

    modality = "tabular"
    title = licence = citation = source = "toy"
    Settings = NoSettings

    def __init__(self, samples: Samples, instances: str | None) -> None:
        super().__init__(NoSettings())
        self.samples, self.instances = samples, instances
        self.modality = "image" if samples.inputs.ndim == 4 else "tabular"

    def load(self) -> Samples:
        return self.samples


def latent() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give the instances: what both modalities see (n, 6), labels (n,), splits (n,)."""
    draw = np.random.default_rng(0)
    splits = np.repeat(list(PER_CLASS), [4 * count for count in PER_CLASS.values()])
    labels = np.arange(len(splits), dtype=np.int64) % 4
    centres = 1.5 * np.eye(4, 6)
    return centres[labels] + 0.6 * draw.normal(size=(len(labels), 6)), labels, splits


def toy_samples(modality: str) -> Samples:
    """Give one of the modalities, ``teacher`` (6 columns) or ``student`` (5 columns, noisier)."""
    seen, labels, splits = latent()
    draw = np.random.default_rng([1, len(modality), ord(modality[0])])
    width, noise = (6, 0.1) if modality == "teacher" else (5, 0.4)
    inputs = seen @ draw.normal(size=(6, width)) + noise * draw.normal(size=(len(labels), width))
    names = [f"i{number}" for number in range(len(labels))]
    return Samples(inputs=inputs.astype(np.float32), labels=labels, classes=CLASSES,
                   ids=[f"{modality}-{name}" for name in names], groups=names, split=splits.tolist(),
                   pair_ids=names)  # fmt: skip


def store(folder: Path, samples: Samples, instances: str | None = "toy") -> Path:
    """Write samples as a prepared dataset named like its folder."""
    write_prepared(folder, folder.name, ToyDataset(samples, instances), {})
    return folder


def network(project: Project = "student", *, width: int = WIDTH, seed: int = 0) -> Network:
    """Build a student."""
    return build_network("mlp", "student", (5,), width, len(CLASSES), project, seed)


def context(bank: TeacherBank | None, *, seed: int = 0) -> Context:
    """Give what a method may look at before training."""
    return Context(len(CLASSES), WIDTH, bank, torch.Generator().manual_seed(seed))


def batch(
    inputs: torch.Tensor, labels: torch.Tensor, teacher: TeacherRows | None, rate: float = 0.05
) -> Batch:
    """Give a batch whose task loss is plain cross-entropy."""

    def task_loss(logits: torch.Tensor, label_smoothing: float = 0.0) -> torch.Tensor:
        return F.cross_entropy(logits, labels, label_smoothing=label_smoothing)

    return Batch(inputs, labels, task_loss, teacher, Monitor(), rate, 0.0)


def picture_samples(modality: str) -> Samples:
    """Give a modality as images (1, 8, 8): the columns of the table, mixed into pixels."""
    table = toy_samples(modality)
    mixing = np.random.default_rng([2, len(modality)]).normal(size=(table.inputs.shape[1], 64))
    return replace(table, inputs=(table.inputs @ mixing).reshape(-1, 1, 8, 8).astype(np.float32))


@dataclass(frozen=True)
class ToyPair:
    """The toy pair on disk, and everything in memory that training takes of it.

    ``encoder`` is mlp for tables, convnet for the same data as images.
    """

    folder: Path
    encoder: str = "mlp"
    _splits: dict[str, Pair] = field(default_factory=dict)

    @cached_property
    def teacher(self) -> Prepared:
        return read_prepared(self.folder / "teacher")

    @cached_property
    def student(self) -> Prepared:
        return read_prepared(self.folder / "student")

    @cached_property
    def said(self) -> CachedTeacher:
        """A good teacher without training: linear features, and the head that is right for them."""
        seen, *_ = latent()
        to_features = np.linalg.qr(np.random.default_rng(2).normal(size=(WIDTH, 6)))[0].T
        weight = 1.5 * np.eye(4, 6) @ to_features / 0.36
        features, bias = seen @ to_features, np.full(4, -(1.5**2) / 2 / 0.36)
        arrays = [a.astype(np.float32) for a in (features, features @ weight.T + bias, weight, bias)]
        return CachedTeacher(*arrays, record={})

    def pair_folder(self, regime: str) -> Path:
        """Where the index files of a regime are; they are made at first use."""
        folder = self.folder / "pairs" / regime
        if not (folder / "card.json").exists():
            pair_up(pair="toy", teacher=str(self.folder / "teacher"), student=str(self.folder / "student"),
                    regime=regime, labels_per_class=LABELS_PER_CLASS, student_share=None,
                    shift=None, folder=str(folder))  # fmt: skip
        return folder

    def split(self, regime: str) -> Pair:
        """Read the pair in a regime."""
        if regime not in self._splits:
            self._splits[regime] = read_pair(self.pair_folder(regime))
        return self._splits[regime]

    def bank(self, regime: str) -> TeacherBank:
        """What the good teacher says of the rows that the regime lets students meet."""
        split = self.split(regime)
        return self.said.bank(split.teacher.train[split.teacher.meets], self.teacher.labels, "cpu")

    def supply(
        self,
        regime: str = "class_cond",
        *,
        needs: frozenset[Any] = frozenset({"features", "logits", "head"}),
        batch_size: int = 32,
    ) -> Supply:
        """Everything a run in a regime is fed."""
        split = self.split(regime)
        labels = np.where(split.student.labelled, self.student.labels[split.student.train], -1)
        live = self.live(regime) if needs & {"maps", "live"} else None
        bank = self.bank(regime) if needs else None
        if bank is not None and live is not None and "live" in needs:
            bank = replace(bank, network=live.network)
        if bank is not None and "inputs" in needs:
            met = self.met(regime)
            bank = replace(bank, inputs=met[np.arange(len(met))])
        return Supply(
            Inputs(self.student, split.student.train, "cpu"),
            torch.from_numpy(labels),
            sampler_for(split, batch_size, self.student.labels, self.teacher.labels),
            Inputs(self.student, split.student.val, "cpu"),
            self.student.labels[split.student.val],
            bank,
            live,
        )

    def live(self, regime: str) -> LiveTeacher:
        """A frozen teacher that has learned nothing, at work."""
        shape = tuple(self.teacher.card["shape"])
        made = build_network(self.encoder, "teacher", shape, WIDTH, len(CLASSES), "student", 0)
        return LiveTeacher(made.eval().requires_grad_(False), self.met(regime))

    def met(self, regime: str) -> Inputs:
        """What the teacher would read of the rows that the regime lets students meet."""
        split = self.split(regime)
        return Inputs(self.teacher, split.teacher.train[split.teacher.meets], "cpu")

    def network(self, *, seed: int = 0) -> Network:
        """Build a student."""
        shape = tuple(self.student.card["shape"])
        return build_network(self.encoder, "student", shape, WIDTH, len(CLASSES), "student", seed)

    def context(self, method: Method[Any], regime: str = "class_cond", *, seed: int = 0) -> Context:
        """Give a method what it may look at before training."""
        supply = self.supply(regime, needs=method.needs.teacher)
        shapes: dict[str, Any] = {}
        if method.needs.student_maps:
            shapes["student_maps"] = map_shapes(self.network(), supply.inputs[np.arange(1)])
        if supply.teacher is not None and "maps" in method.needs.teacher:
            shapes["teacher_maps"] = map_shapes(supply.teacher.network, supply.teacher.inputs[np.arange(1)])
        made = context(supply.bank, seed=seed)
        return replace(made, samples=len(supply.inputs), **shapes)

    def runner(
        self,
        method: str | Method[Any],
        regime: str = "class_cond",
        *,
        settings: Mapping[str, Any] | None = None,
        student: Network | None = None,
        supply: Supply | None = None,
        seed: int = 0,
        **changes: Any,
    ) -> Runner:
        """Make the runner of a method, which may be given by name; ``changes`` are those of both recipes."""
        made = load_method(method, settings) if isinstance(method, str) else method
        recipe = made.recipe(Recipes(STUDENT.changed(**changes), TEACHER.changed(**changes)))
        if supply is None:
            supply = self.supply(regime, needs=made.needs.teacher, batch_size=recipe.batch_size)
        return Runner(student or self.network(), made, recipe, supply, seed=seed, device="cpu")

    def meetings(self, regime: str = "class_cond", epoch: int = 1) -> Iterator[Meeting]:
        """Draw the batches of an epoch of seed 0."""
        return self.supply(regime).sampler.epoch(0, epoch)

    def teacher_rows(self, count: int, regime: str = "class_cond") -> TeacherRows:
        """What the teacher says of the first rows of the bank, without any correspondence."""
        bank, live, rows = self.bank(regime), self.live(regime), np.arange(count)
        encoder = live.network.encoder
        with torch.no_grad(), watched(encoder) as seen:
            encoder(live.inputs[rows])
        maps, preactivations = maps_of(encoder, seen, count)
        return TeacherRows(
            bank.features[:count], bank.logits[:count], bank.labels[:count], None, torch.from_numpy(rows),
            live.inputs[rows], maps, preactivations,
        )  # fmt: skip

    def outputs(self, count: int) -> Outputs:
        """What an untrained student says of its first samples, with maps; all of it can be differentiated."""
        student = self.network()
        function = FunctionalNetwork(student.train(), Monitor(), with_maps=True)
        inputs = self.supply(needs=frozenset()).inputs[np.arange(count)]
        return function(dict(student.named_parameters()), inputs)

    def batch(self, count: int = 24, met: int | None = None, rate: float = 0.05) -> Batch:
        """Give the first ``count`` training samples, meeting ``met`` teacher rows without correspondence."""
        supply = self.supply(needs=frozenset())
        rows = np.arange(count)
        teacher = None if met is None else self.teacher_rows(met)
        made = batch(supply.inputs[rows], supply.labels[:count], teacher, rate)
        return replace(made, rows=torch.from_numpy(rows))

    def teacher_job(self, folder: Path, *, pool: str = "full", **changes: Any) -> dict[str, Any]:
        """What ``train_teachers`` is told to train the toy pair's teachers, into a folder."""
        regime = "disjoint_teacher" if pool == "own" else "alone"
        return {
            "pair": "toy", "pool": pool, "seeds": [0, 1], "pair_folder": str(self.pair_folder(regime)),
            "teacher_data": str(self.folder / "teacher"),
            "model": {"encoder": self.encoder, "encoder_settings": {}, "size": "teacher", "width": WIDTH},
            "recipe": plain(TEACHER), "device": "cpu", "code": "c0", "folder": str(folder),
        } | changes  # fmt: skip

    def student_job(
        self, folder: Path, teachers: Path, method: str = "kd", regime: str = "class_cond", **changes: Any
    ) -> dict[str, Any]:
        """What ``distill`` is told to train students of one cell, into a folder."""
        return {
            "pair": "toy", "regime": regime, "method": method, "variant": "default", "control": "real",
            "settings": {}, "tuned": None, "own": {}, "seeds": [0, 1],
            "pair_folder": str(self.pair_folder(regime)),
            "student_data": str(self.folder / "student"), "teacher_data": str(self.folder / "teacher"),
            "teacher_folder": str(teachers),
            "model": {"encoder": self.encoder, "encoder_settings": {}, "size": "student", "width": WIDTH,
                      "project": "student"},
            "recipes": {"student": plain(STUDENT), "teacher": plain(TEACHER)},
            "device": "cpu", "code": "c0", "folder": str(folder),
        } | changes  # fmt: skip
