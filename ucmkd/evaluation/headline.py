"""The result in one table: what every method scores in every block, and what it gains."""

import math
from dataclasses import dataclass

from ucmkd.evaluation.baselines import BASELINES, REFERENCE
from ucmkd.evaluation.tables import Block, Tables, of_block, regimes_by_pair


@dataclass(frozen=True)
class Result:
    """A method in a block, on the test split, in percent and points.

    Attributes
    ----------
    mean, sd : float
        Accuracy over seeds; ``sd`` is NaN with one seed.
    gain, low, high : float
        Gain over the reference baseline with its 95 % interval; NaN where there is none.
    """

    mean: float
    sd: float
    gain: float
    low: float
    high: float


@dataclass(frozen=True)
class Headline:
    """Labels by method, controls first; blocks; results by method and block."""

    methods: dict[str, str]
    blocks: list[Block]
    results: dict[tuple[str, Block], Result]


def headline(tables: Tables) -> str:
    """Write methods by blocks as a Markdown table.

    Each field holds test accuracy in percent, mean ± standard deviation over seeds, and below it the gain
    over ``ce_teacher_recipe`` in points with its 95 % BCa bootstrap interval over seeds, bold where the
    interval leaves out zero. Methods that meet no teacher have the same numbers in every
    regime of a pair that shows them the same labels.
    """
    of = headline_results(tables)
    head = ["method", *(f"{pair}<br>{regime}" for pair, regime in of.blocks)]
    lines = [head, ["---", *["---:"] * len(of.blocks)]]
    for method, label in of.methods.items():
        lines.append([label, *(_markdown(of.results.get((method, block))) for block in of.blocks)])
    return "".join(f"| {' | '.join(fields)} |\n" for fields in lines)


def headline_results(tables: Tables) -> Headline:
    """Collect the default variant of every method in every block."""
    scores, comparisons, costs = tables["scores"], tables["comparisons"], tables["costs"]
    test = scores[(scores.split == "test") & (scores.metric == "accuracy") & (scores.variant == "default")]
    gains = comparisons[(comparisons.baseline == REFERENCE) & (comparisons.metric == "accuracy")]
    gains = gains[gains.variant == "default"]
    blocks = [(pair, regime) for pair, regimes in regimes_by_pair(tables).items() for regime in regimes]
    results = {}
    for block in blocks:
        gained = of_block(gains, block).set_index("method")[["gain", "ci_low", "ci_high"]]
        scored = of_block(test, block).groupby("method", sort=False).value.agg(["mean", "std"])
        for row in (100 * scored.join(gained)).itertuples():
            results[str(row.Index), block] = Result(*row[1:])
    named = dict(zip(costs.method, costs.label, strict=True))
    methods = {method: named[method] for method in sorted(named, key=lambda name: name not in BASELINES)}
    return Headline(methods, blocks, results)


def accuracy_text(result: Result) -> str:
    """Write ``76.2 ± 1.2``, or ``76.2`` of a single seed."""
    return f"{result.mean:.1f}" if math.isnan(result.sd) else f"{result.mean:.1f} ± {result.sd:.1f}"


def gain_text(gain: float, low: float, high: float, digits: int = 1) -> str:
    """Write ``+1.2 [−0.3, +2.4]``, or the gain alone where there is no interval."""
    if math.isnan(low):
        return signed(gain, digits)
    return f"{signed(gain, digits)} [{signed(low, digits)}, {signed(high, digits)}]"


def signed(value: float, digits: int = 1) -> str:
    """Write a number with its sign; zero has no minus."""
    return f"{round(value, digits) + 0.0:+.{digits}f}".replace("-", "−")


def _markdown(result: Result | None) -> str:
    if result is None:
        return ""
    if math.isnan(result.gain):
        return accuracy_text(result)
    text = gain_text(result.gain, result.low, result.high)
    clear = result.low > 0 or result.high < 0
    return f"{accuracy_text(result)}<br>{f'**{text}**' if clear else text}"
