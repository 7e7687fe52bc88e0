"""What the report says in words, counted from the tables and naming no winner."""

import numpy as np

from ucmkd.data.regimes import ALONE
from ucmkd.evaluation.across import BLOCKS_FOR_RANKS
from ucmkd.evaluation.baselines import BASELINES, EQUIVALENT, REFERENCE
from ucmkd.evaluation.headline import signed
from ucmkd.evaluation.tables import Tables, regimes_by_pair

SMALL = 0.05
FEW_SEEDS = 6


def facts(tables: Tables, digest: str) -> list[tuple[str, str]]:
    """Say how large the benchmark was, and what it was made with."""
    costs, environment = tables["costs"], tables["environment"]
    values = {str(item): ", ".join(map(str, rows)) for item, rows in environment.groupby("item").value}
    return [
        ("Runs", f"{costs.n_seeds.sum()} students, {len(tables['teachers'])} teachers"),
        ("Cells", f"{len(costs)} of pair, regime, method and variant, {_seeds(tables)} seeds each"),
        ("Pairs", ", ".join(dict.fromkeys(costs.pair))),
        (
            "Made with",
            f"ucmkd {values.get('ucmkd', '?')}, torch {values.get('torch', '?')}, {values['device']}",
        ),
        ("Configuration", digest),
    ]


def findings(tables: Tables) -> list[str]:
    """Count what the comparisons with the reference allow to say."""
    table = tables["comparisons"]
    of_reference = table[(table.baseline == REFERENCE) & (table.metric == "accuracy")]
    rows = of_reference[(of_reference.variant == "default") & ~of_reference.method.isin(BASELINES)]
    taught = rows[rows.regime != ALONE]
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
        said.append(
            f"With {_seeds(tables)} seeds, gains smaller than {detectable.min():.1f} to {detectable.max():.1f} "
            "points, by cell, were unlikely to be found."
        )
    if taught.n_seeds.min() < FEW_SEEDS:
        said.append(
            f"With fewer than {FEW_SEEDS} seeds the test over seeds cannot reach p = {SMALL:g}, "
            "and bootstrap intervals are too narrow."
        )
    return said


def ranks(tables: Tables) -> str:
    """Say whether ranks over blocks were tested."""
    blocks = sum(len(regimes) for regimes in regimes_by_pair(tables).values())
    of_accuracy = tables["ranks"][tables["ranks"].metric == "accuracy"]
    if of_accuracy.empty:
        return (
            f"Ranks are not tested: this summary has {blocks} blocks of a pair and a regime, and a "
            f"critical-difference diagram is drawn only from {BLOCKS_FOR_RANKS} blocks up."
        )
    first = of_accuracy.iloc[0]
    return (
        f"{first.n_methods} methods stand in all {first.n_blocks} blocks; Friedman's test that they rank alike "
        f"gives p = {first.friedman_p:.2g}, and mean ranks closer than {first.critical_difference:.1f} are not "
        "told apart (Nemenyi)."
    )


def _seeds(tables: Tables) -> str:
    counts = sorted(set(tables["costs"].n_seeds))
    return "–".join(dict.fromkeys(str(count) for count in (counts[0], counts[-1])))
