"""What a step of each method costs, against a step of plain cross-entropy in the same process."""

from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, Literal

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
from ucmkd.training.network import Network, build_network
from ucmkd.training.recipe import Recipe, Recipes
from ucmkd.training.reference_step import ReferenceStep
from ucmkd.training.runner import Runner, clock
from ucmkd.training.supply import Supply

CLASSES, WIDTH, BATCHES = 10, 64, 8
REFERENCE = "reference step"
SHAPES = {"mlp": (64,), "timm": (3, 32, 32)}
IMAGE = (1, 16, 16)

Step = Callable[[Meeting], None]


def bench_step(
    methods: Sequence[str] = (),
    *,
    encoder: str = "convnet",
    shape: tuple[int, ...] = (),
    batch_size: int = 64,
    rounds: int = 15,
    steps: int = 8,
    device: str = "cpu",
) -> list[dict[str, Any]]:
    """Time training steps on random data, in interleaved rounds, on a CPU on one thread.

    Parameters
    ----------
    methods : sequence of str
        All that take cached outputs of a teacher or nothing, if empty: a teacher at work has a price of its
        own.
    encoder : str
        The student's, such as ``convnet``, or ``timm:resnet18``.
    shape : tuple of int
        Of its inputs; empty takes what suits the encoder.
    batch_size : int
    rounds, steps : int
        A round takes this many steps of every method; the ratio is the median over rounds.
    device : str

    Returns
    -------
    list of dict
        ``method``, ``step_ratio_to_ce``, ``step_ms`` (of the processor on a CPU), and from the ledger the
        passes and transport iterations of one step. The last row is :class:`ReferenceStep`.
    """
    make_reproducible(device)
    shape = shape or shape_of(encoder)
    names = ["ce", *(name for name in (methods or _with_cached_teacher()) if name != "ce")]
    supply, meetings = random_supply(shape, batch_size, device)
    runners = {name: new_runner(name, encoder, shape, supply, device) for name in names}
    taken: dict[str, Step] = {name: runner.step for name, runner in runners.items()}
    taken[REFERENCE] = _reference(encoder, shape, supply, device)
    for step in taken.values():
        seconds_of(step, meetings, steps, device)
    timings = [
        {name: seconds_of(step, meetings, steps, device) for name, step in taken.items()}
        for _ in range(rounds)
    ]
    nothing = dict.fromkeys(runners["ce"].ledger())
    return [
        {
            "method": name,
            "step_ratio_to_ce": median(timing[name] / timing["ce"] for timing in timings),
            "step_ms": median(1000 * timing[name] / steps for timing in timings),
            **{key: value for key, value in (runners[name].ledger() if name in runners else nothing).items()
               if key != "steps"},
        }
        for name in taken
    ]  # fmt: skip


def _with_cached_teacher() -> list[str]:
    needs = {name: method_class(name).needs for name in method_names()}
    return [
        name for name in needs if not (needs[name].teacher & {"live", "maps"} or needs[name].student_maps)
    ]


def shape_of(encoder: str) -> tuple[int, ...]:
    """Choose inputs that suit an encoder."""
    return SHAPES.get(encoder.partition(":")[0], IMAGE)


def seconds_of(step: Step, meetings: list[Meeting], steps: int, device: str) -> float:
    """Time so many steps; of the processor on a CPU."""
    now = clock(device)
    _finish(device)
    started = now()
    for number in range(steps):
        step(meetings[number % len(meetings)])
    _finish(device)
    return now() - started


def _finish(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize(device)


def _network(
    encoder: str, size: Literal["student", "teacher"], shape: tuple[int, ...], device: str
) -> Network:
    kind, _, name = encoder.partition(":")
    values = {"name": name} if name else None
    return build_network(kind, size, shape, WIDTH, CLASSES, "student", 0, values).to(device)


def new_runner(name: str, encoder: str, shape: tuple[int, ...], supply: Supply, device: str) -> Runner:
    """Make a runner of a method with its defaults; all have the same first weights."""
    method = load_method(name)
    recipe = method.recipe(Recipes(student=Recipe(), teacher=Recipe()))
    return Runner(_network(encoder, "student", shape, device), method, recipe, supply, seed=0, device=device)


def _reference(encoder: str, shape: tuple[int, ...], supply: Supply, device: str) -> Step:
    recipe, student = Recipe(), _network(encoder, "student", shape, device)
    optimiser = torch.optim.SGD(student.parameters(), lr=recipe.learning_rate, momentum=recipe.momentum,
                                weight_decay=recipe.weight_decay)  # fmt: skip
    teacher = _network(encoder, "teacher", shape, device).eval()
    reference = ReferenceStep(student, teacher, optimiser)

    def step(meeting: Meeting) -> None:
        labels = supply.labels[torch.from_numpy(meeting.student)]
        reference.step(supply.inputs[meeting.student], labels, supply.inputs[meeting.teacher])

    return step


def random_supply(shape: tuple[int, ...], batch_size: int, device: str) -> tuple[Supply, list[Meeting]]:
    """Draw inputs in clusters by class, and a teacher that knows the classes; give their batches too."""
    draw, count = generator_for(0, "bench"), BATCHES * batch_size
    labels = np.arange(count) % CLASSES
    centres = draw.normal(size=(CLASSES, *shape))
    inputs = (centres[labels] + 2 * draw.normal(size=(count, *shape))).astype(np.float32)
    nothing = np.full(count, "")
    card = {"normalisation": normalisation(inputs, np.full(count, True), "image"), "modality": "image"}
    data = Prepared(inputs, labels, nothing, nothing, nothing, nothing, card)
    rows = np.arange(count)
    features = torch.from_numpy(draw.normal(size=(CLASSES, WIDTH))[labels] + draw.normal(size=(count, WIDTH)))
    weight = torch.from_numpy(draw.normal(size=(CLASSES, WIDTH)) / WIDTH**0.5).float().to(device)

    def head(values: Tensor) -> Tensor:
        return F.linear(values, weight)

    known, shown = features.float().to(device), torch.from_numpy(labels).to(device)
    bank = TeacherBank(known, head(known), shown, head, inputs=torch.from_numpy(inputs).to(device))
    sampler = Sampler(find_regime("class_cond"), batch_size, labels, np.full(count, -1), labels)
    everything = Inputs(data, rows, device)
    supply = Supply(everything, shown, sampler, everything, labels, bank)
    return supply, list(sampler.epoch(0, 1))
