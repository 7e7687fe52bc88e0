"""What it saves to train the students of several seeds in one pass, against one after the other."""

from collections.abc import Sequence
from functools import partial
from statistics import median
from typing import Any

from ucmkd.data.sampling import Meeting
from ucmkd.training.bench import new_runner, random_supply, seconds_of, shape_of
from ucmkd.training.block import make_reproducible
from ucmkd.training.runner import Runner
from ucmkd.training.together import Together

METHODS = ("ce", "kd", "feature_ot", "ucmkd_released", "ucmkd_paper")
ENCODERS = ("mlp", "linear", "convnet")


def bench_seeds(
    methods: Sequence[str] = METHODS,
    *,
    encoders: Sequence[str] = ENCODERS,
    seeds: int = 6,
    batch_size: int = 64,
    rounds: int = 15,
    steps: int = 4,
    device: str = "cpu",
) -> list[dict[str, Any]]:
    """Time steps of as many students as there are seeds, on random data, in interleaved rounds.

    Parameters
    ----------
    methods, encoders : sequence of str
    seeds : int
    batch_size : int
        Of each student.
    rounds, steps : int
        A round takes this many steps of either kind; the gain is the median over rounds.
    device : str

    Returns
    -------
    list of dict
        For each encoder and method: ``encoder, method, seeds, gain``, how many times as long students take
        one after the other.
    """
    make_reproducible(device)
    rows = []
    for encoder in encoders:
        supply, meetings = random_supply(shape_of(encoder), batch_size, device)
        for method in methods:
            make = partial(new_runner, method, encoder, shape_of(encoder), supply, device)
            alone = [make() for _ in range(seeds)]
            together = Together([make() for _ in range(seeds)])
            one_by_one, at_once = partial(_one_by_one, alone), partial(_at_once, together, seeds)
            pairs = [
                [seconds_of(step, meetings, steps, device) for step in (one_by_one, at_once)]
                for _ in range(1 + rounds)
            ]
            gain = median(slow / fast for slow, fast in pairs[1:])
            rows.append({"encoder": encoder, "method": method, "seeds": seeds, "gain": gain})
    return rows


def _one_by_one(runners: Sequence[Runner], meeting: Meeting) -> None:
    for runner in runners:
        runner.step(meeting)


def _at_once(together: Together, seeds: int, meeting: Meeting) -> None:
    together.step([meeting] * seeds)
