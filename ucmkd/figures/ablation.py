"""What a variant of a method changes, against the method's default."""

import pandas as pd
from matplotlib.figure import Figure

from ucmkd.evaluation.baselines import CONTROL_VARIANTS
from ucmkd.evaluation.tables import Tables
from ucmkd.figures.shared.forest import Entry, entry_of, forest_figure
from ucmkd.figures.shared.gains import SeedGains, ablation_gains, each
from ucmkd.figures.shared.panels import by_block
from ucmkd.figures.style import CONTROL, Look, in_style, looks, statement


@in_style
def draw(tables: Tables) -> Figure:
    """Draw a panel a block, with the variants of each method as rows; control variants are grey."""
    gains = ablation_gains(tables)
    if gains.empty:
        return statement("No variant was run beside its default: add one to the cells of the configuration.")
    seeds, given = SeedGains(tables), looks(tables["costs"].method)
    rows, of_blocks = by_block(tables, gains)
    return forest_figure(
        rows,
        {block: _entries(of_block, seeds, given) for block, of_block in of_blocks.items()},
        "Difference in test accuracy to the method's default (points)",
        lines={},
        legend=[],
    )


def _entries(gains: pd.DataFrame, seeds: SeedGains, given: dict[str, Look]) -> list[Entry]:
    return [
        entry_of(
            row,
            f"{row.label}: {row.variant}",
            CONTROL if row.variant in CONTROL_VARIANTS else given[row.method],
            seeds.over_default(row),
        )
        for row in each(gains)
    ]
