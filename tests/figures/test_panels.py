"""Where panels stand."""

from ucmkd.figures.shared.panels import block_rows


def test_a_pair_with_several_regimes_has_a_row_and_others_share_one(summary_of):
    rows = block_rows(summary_of("pairs of two regimes and of one"))
    assert [[pair for pair, _ in row] for row in rows] == [
        ["handwritten_spoken", "handwritten_spoken"],
        ["spoken_handwritten", "handwritten_profiles", "mnist_english"],
    ]


def test_rows_of_one_regime_hold_at_most_three(summary_of):
    rows = block_rows(summary_of("many pairs of one regime"))
    assert [len(row) for row in rows] == [3, 1]


def test_no_block_is_lost(summary_of):
    tables = summary_of("default")
    blocks = [block for row in block_rows(tables) for block in row]
    runs = tables["scores"]
    runs = runs[runs.regime != "alone"]
    assert sorted(blocks) == sorted(set(zip(runs.pair, runs.regime, strict=True)))
