"""What the report says in words, counted from the tables and naming no winner."""

import numpy as np
import pandas as pd

from ucmkd.data.regimes import is_alone
from ucmkd.evaluation.across import BLOCKS_FOR_RANKS
from ucmkd.evaluation.baselines import BASELINES, EQUIVALENT, REFERENCE, TRAINED_ALONE
from ucmkd.evaluation.headline import signed
from ucmkd.evaluation.statistics import coverage, smallest_p
from ucmkd.evaluation.tables import Tables, regimes_by_pair
from ucmkd.report.grid import each

SMALL = 0.05


def facts(tables: Tables, digest: str) -> list[tuple[str, str]]:
    """Say how large the benchmark was, and what it was made with."""
    costs, environment = tables["costs"], tables["environment"]
    values = {str(item): ", ".join(map(str, rows)) for item, rows in environment.groupby("item").value}
    return [
        ("Runs", f"{costs.n_seeds.sum()} students, {len(tables['teachers'])} teachers"),
        ("Cells", f"{len(costs)} of pair, regime, method and variant, {_seeds(tables)} seeds each"),
        ("Pairs", ", ".join(dict.fromkeys(costs.pair))),
        ("Made with", f"ucmkd {values['ucmkd']}, torch {values['torch']}, on {values['device']}"),
        ("Configuration", digest),
    ]


def findings(tables: Tables) -> list[str]:
    """Count what the comparisons with the reference allow to say."""
    table = tables["comparisons"]
    of_reference = table[(table.baseline == REFERENCE) & (table.metric == "accuracy")]
    rows = of_reference[(of_reference.variant == "default") & ~of_reference.method.isin(BASELINES)]
    taught = rows[rows.needs_teacher.notna()]
    if taught.empty:
        return [f"No method that meets a teacher was compared with {REFERENCE}."]
    sure = taught.p_adjusted < SMALL
    gained, lost = int((sure & (taught.gain > 0)).sum()), int((sure & (taught.gain < 0)).sum())
    even = int((taught.equivalent.astype(str) == "True").sum())
    below = 100 * np.average(taught.negative_transfer_rate, weights=taught.n_seeds)
    said = [
        f"Of {len(taught)} cells in which a method meets a teacher, {gained} gain and {lost} lose against "
        f"{REFERENCE} with an adjusted p-value below {SMALL:g}; {even} are equivalent to it within "
        f"{100 * EQUIVALENT['accuracy']:g} points.",
        f"{below:.0f} % of the seeds of these cells score below {REFERENCE}; "
        f"the worst seed's gain is {signed(100 * taught.worst_gain.min())} points.",
    ]
    detectable = 100 * taught.smallest_detectable_gain.dropna()
    if len(detectable):
        span = f"{detectable.min():.1f} to {detectable.max():.1f}"
        said.append(
            f"With {_seeds(tables)} seeds, a gain had to be {span} points, by cell, to be noticed four times "
            "in five."
        )
    said += _stronger_controls(of_reference)
    family, seeds = int(of_reference.p_value.count()), int(taught.n_seeds.max())
    if (least := min(family * smallest_p(seeds), 1.0)) >= SMALL:
        said.append(
            f"With {seeds} seeds and {family} comparisons no adjusted p-value can be below {least:.2f}, "
            "whatever the methods do: the intervals say more."
        )
    if (fewest := int(taught.n_seeds.min())) > 1:
        said.append(
            f"Bootstrap intervals are too narrow: in simulations of normal differences over {fewest} seeds, "
            f"those of 95 % contain the true mean in {100 * coverage(fewest):.0f} % of cases."
        )
    return said


def _stronger_controls(of_reference: pd.DataFrame) -> list[str]:
    """Name, for each pair, the strongest student trained alone that is clearly better than the reference."""
    clear = of_reference[of_reference.method.isin(TRAINED_ALONE) & (of_reference.ci_low > 0)]
    order = clear.sort_values("gain", ascending=False).drop_duplicates(["pair", "regime"]).sort_index()
    return [
        f"In {row.pair}{'' if is_alone(row.regime) else f' ({row.regime})'}, {row.method} scores "
        f"{100 * row.gain:.1f} points more than {REFERENCE}: a method has to beat that too."
        for row in each(order)
    ]


def ranks(tables: Tables) -> str:
    """Say whether ranks over blocks were tested."""
    blocks = sum(len(regimes) for regimes in regimes_by_pair(tables).values())
    of_accuracy = tables["ranks"][tables["ranks"].metric == "accuracy"]
    if of_accuracy.empty:
        return (
            f"Ranks are not tested: this summary has {blocks} of the {BLOCKS_FOR_RANKS} blocks, each a pair "
            "and a regime, that a critical-difference diagram needs at least."
        )
    first = of_accuracy.iloc[0]
    return (
        f"{first.n_methods} methods stand in {first.n_blocks} of {blocks} blocks. Friedman's test that they "
        f"rank alike gives p = {first.friedman_p:.2g}; mean ranks closer than "
        f"{first.critical_difference:.1f} are not told apart (Nemenyi)."
    )


def _seeds(tables: Tables) -> str:
    counts = sorted(set(tables["costs"].n_seeds))
    return "–".join(dict.fromkeys(str(count) for count in (counts[0], counts[-1])))
