"""What happened during training, aggregated over seeds while it is read."""

from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd

from ucmkd.errors import RecordError
from ucmkd.evaluation.records import Block, Runs
from ucmkd.evaluation.scores import cell_columns

HEADER = "seed,epoch,metric,value"
_BLOCKS_AT_ONCE = 500


def history_table(*of: Runs) -> pd.DataFrame:
    """List mean, standard deviation and extremes over seeds of every metric at every epoch of every cell.

    Raises
    ------
    RecordError
        If a block has no history, a damaged one, or one that lacks an expected seed.
    """
    return pd.concat([_of_cells(runs) for runs in of], ignore_index=True)


def _of_cells(runs: Runs) -> pd.DataFrame:
    tables = [_aggregated(_read(blocks)) for blocks in _batches(runs)]
    if not tables:
        return pd.DataFrame()
    table = pd.concat(tables, ignore_index=True)
    names = pd.DataFrame(cell_columns(runs, table.pop("cell").to_numpy()))
    return pd.concat([names, table], axis=1).astype(dict.fromkeys([*names, "metric"], object))


def _batches(runs: Runs) -> Iterator[list[Block]]:
    """Put blocks together, all of a cell's in one batch."""
    batch: list[Block] = []
    for block in sorted(runs.blocks, key=lambda block: block.cell):
        if len(batch) >= _BLOCKS_AT_ONCE and block.cell != batch[-1].cell:
            yield batch
            batch = []
        batch.append(block)
    if batch:
        yield batch


def _read(blocks: Sequence[Block]) -> pd.DataFrame:
    texts = [_rows(block) for block in blocks]
    try:
        table = _parsed(blocks, texts)
    except ValueError:
        for block, text in zip(blocks, texts, strict=True):
            try:
                _parsed([block], [text])
            except ValueError as error:
                raise _damaged(_path(block), str(error)) from None
        raise
    runs = (table.cell.to_numpy() << 32) | table.seed.to_numpy()
    expected = {(block.cell << 32) | seed for block in blocks for seed in block.seeds}
    found = set(pd.unique(runs).tolist())
    _refuse_missing(blocks, expected - found)
    return table if found == expected else table[np.isin(runs, list(expected))]


def _parsed(blocks: Sequence[Block], texts: Sequence[bytes]) -> pd.DataFrame:
    types = {"seed": np.int64, "epoch": np.int64, "metric": "category", "value": np.float64}
    lines = BytesIO(b"".join(texts))
    table = pd.read_csv(lines, names=list(types), dtype=types, skip_blank_lines=False)  # type: ignore[arg-type]
    cells = [block.cell for block in blocks]
    return table.assign(cell=np.repeat(cells, [text.count(b"\n") for text in texts]))


def _rows(block: Block) -> bytes:
    path = _path(block)
    try:
        header, _, body = path.read_bytes().partition(b"\n")
    except FileNotFoundError:
        raise RecordError(f"{path}: no such file; delete {block.folder} and run again") from None
    if header.rstrip(b"\r") != HEADER.encode() or not body.endswith(b"\n"):
        raise _damaged(path, f"expected the header {HEADER} and whole lines")
    return body


def _aggregated(rows: pd.DataFrame) -> pd.DataFrame:
    groups = rows.groupby(["cell", "epoch", "metric"], observed=True, sort=True)["value"]
    return groups.agg(n_seeds="count", mean="mean", sd="std", low="min", high="max").reset_index()


def _refuse_missing(blocks: Sequence[Block], missing: set[int]) -> None:
    for block in blocks:
        for seed in block.seeds:
            if (block.cell << 32) | seed in missing:
                raise _damaged(_path(block), f"nothing of seed {seed}")


def _path(block: Block) -> Path:
    return block.folder / "history.csv"


def _damaged(path: Path, why: str) -> RecordError:
    return RecordError(f"{path}: damaged ({why}); delete {path.parent} and run again")
