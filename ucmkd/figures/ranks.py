"""Mean ranks over blocks, where there are enough of them to test ranks."""

from matplotlib.figure import Figure

from ucmkd.evaluation.across import BLOCKS_FOR_RANKS
from ucmkd.evaluation.tables import Tables, regimes_by_pair
from ucmkd.figures.shared.legend import method_labels
from ucmkd.figures.style import COLUMN_WIDTH, in_style, looks, statement

_ROW = 0.2


@in_style
def draw(tables: Tables) -> Figure:
    """Draw the mean rank of every method with a bar of the critical difference; apart means different."""
    ranks = tables["ranks"]
    ranks = ranks[ranks.metric == "accuracy"].sort_values("mean_rank", kind="stable")
    if ranks.empty:
        return statement(_too_few(tables))
    given, labels = looks(tables["costs"].method), method_labels(tables)
    figure = Figure(figsize=(1.35 * COLUMN_WIDTH, _ROW * len(ranks) + 0.95))
    axes = figure.add_subplot()
    half = float(ranks.critical_difference.iloc[0]) / 2
    for y, (method, rank) in enumerate(zip(ranks.method, ranks.mean_rank, strict=True)):
        look = given[method]
        axes.plot([rank - half, rank + half], [y, y], color=look.colour, lw=1.8, alpha=0.55)
        axes.plot(rank, y, look.marker, color=look.colour, mec="white", mew=0.5, ms=5.6)
    axes.set_yticks(range(len(ranks)), [labels[method] for method in ranks.method])
    axes.set_ylim(len(ranks) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    axes.spines["left"].set_visible(False)
    first = ranks.iloc[0]
    axes.set_xlabel(
        f"Mean rank in test accuracy over {first.n_blocks} blocks (1 is best)\n"
        f"bars: critical difference {2 * half:.1f}; Friedman p = {first.friedman_p:.2g}"
    )
    return figure


def _too_few(tables: Tables) -> str:
    blocks = sum(len(regimes) for regimes in regimes_by_pair(tables).values())
    return (
        f"Ranks are not tested: they need {BLOCKS_FOR_RANKS} blocks of a pair and a regime,\n"
        f"and this summary has {blocks}."
    )
