"""What a step of each method costs, against a step of plain cross-entropy in the same process."""

import time
from collections.abc import Sequence
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ucmkd.data.prepared import Prepared, normalisation
from ucmkd.data.regimes import find_regime
from ucmkd.data.sampling import Meeting, Sampler
from ucmkd.methods.base import TeacherBank, load_method, method_class, method_names
from ucmkd.seeding import generator_for
from ucmkd.training.block import make_reproducible
from ucmkd.training.inputs import Inputs
from ucmkd.training.network import build_network
from ucmkd.training.recipe import Recipe, Recipes
from ucmkd.training.runner import Runner, Supply

CLASSES, WIDTH, BATCHES = 10, 64, 8


def bench_step(
    methods: Sequence[str] = (),
    *,
    encoder: str = "convnet",
    shape: tuple[int, ...] = (1, 16, 16),
    batch_size: int = 64,
    rounds: int = 15,
    steps: int = 8,
) -> list[dict[str, Any]]:
    """Time training steps on random data, in interleaved rounds on one thread.

    Parameters
    ----------
    methods : sequence of str
        All that take cached outputs of a teacher or nothing, if empty: a teacher at work has a price of its
        own.
    encoder, shape, batch_size
        The student's, and its inputs.
    rounds, steps : int
        A round takes this many steps of every method; the ratio is the median over rounds.

    Returns
    -------
    list of dict
        ``method``, ``step_ratio_to_ce``, ``step_ms``, and from the ledger the passes and transport
        iterations of one step.
    """
    make_reproducible("cpu")
    names = ["ce", *(name for name in (methods or _with_cached_teacher()) if name != "ce")]
    supply, meetings = _supply(shape, batch_size)
    runners = {name: _runner(name, encoder, shape, supply) for name in names}
    for runner in runners.values():
        _seconds(runner, meetings, steps)
    timings = [{name: _seconds(runners[name], meetings, steps) for name in names} for _ in range(rounds)]
    return [
        {
            "method": name,
            "step_ratio_to_ce": median(timing[name] / timing["ce"] for timing in timings),
            "step_ms": median(1000 * timing[name] / steps for timing in timings),
            **{key: value for key, value in runners[name].ledger().items() if key != "steps"},
        }
        for name in names
    ]


def _with_cached_teacher() -> list[str]:
    needs = {name: method_class(name).needs for name in method_names()}
    return [
        name for name in needs if not (needs[name].teacher & {"live", "maps"} or needs[name].student_maps)
    ]


def _seconds(runner: Runner, meetings: list[Meeting], steps: int) -> float:
    started = time.perf_counter()
    for number in range(steps):
        runner.step(meetings[number % len(meetings)])
    return time.perf_counter() - started


def _runner(name: str, encoder: str, shape: tuple[int, ...], supply: Supply) -> Runner:
    method = load_method(name)
    recipe = method.recipe(Recipes(student=Recipe(), teacher=Recipe()))
    network = build_network(encoder, "student", shape, WIDTH, CLASSES, "student", seed=0)
    return Runner(network, method, recipe, supply, seed=0, device="cpu")


def _supply(shape: tuple[int, ...], batch_size: int) -> tuple[Supply, list[Meeting]]:
    """Random inputs in clusters by class, and a teacher that knows the classes."""
    draw, count = generator_for(0, "bench"), BATCHES * batch_size
    labels = np.arange(count) % CLASSES
    centres = draw.normal(size=(CLASSES, *shape))
    inputs = (centres[labels] + 2 * draw.normal(size=(count, *shape))).astype(np.float32)
    nothing = np.full(count, "")
    card = {"normalisation": normalisation(inputs, np.full(count, True), "image"), "modality": "image"}
    data = Prepared(inputs, labels, nothing, nothing, nothing, nothing, card)
    rows = np.arange(count)
    features = torch.from_numpy(draw.normal(size=(CLASSES, WIDTH))[labels] + draw.normal(size=(count, WIDTH)))
    weight = torch.from_numpy(draw.normal(size=(CLASSES, WIDTH)) / WIDTH**0.5).float()

    def head(values: Tensor) -> Tensor:
        return F.linear(values, weight)

    bank = TeacherBank(features.float(), head(features.float()), torch.from_numpy(labels), head,
                       inputs=torch.from_numpy(inputs))  # fmt: skip
    sampler = Sampler(find_regime("class_cond"), batch_size, labels, np.full(count, -1), labels)
    everything = Inputs(data, rows, "cpu")
    supply = Supply(everything, torch.from_numpy(labels), sampler, everything, labels, bank)
    return supply, list(sampler.epoch(0, 1))
