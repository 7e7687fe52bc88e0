"""Brains with and without Alzheimer's disease, as mRNA, DNA methylation or miRNA: ROSMAP, as for MOGONET."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ucmkd.data import base
from ucmkd.data.base import Samples
from ucmkd.data.splits import stratified_split
from ucmkd.data.upstream import Remote, Upstream
from ucmkd.errors import DataError

HOME = "https://raw.githubusercontent.com/txWang/MOGONET/32d9066b7fe289b3f7cdb496a5668834079c274c"
FILES = {
    "ROSMAP/1_tr.csv": "37bfcc58da320bf6c37b22617ed821dcfa96ca4abd334adf4d42c8e3375d972b",
    "ROSMAP/1_te.csv": "d9d9daf05915556fd13008fb6ad7d88e0c5a8a57e5a985548640d4cd1563712b",
    "ROSMAP/2_tr.csv": "b1d1d20f8793e5f11248218f19493d9a7be366ee5bbbaff585058401976f8a21",
    "ROSMAP/2_te.csv": "546e9d7f640e54c4c1d6540ed2c1a3adb10497635e7d6b8d4099b4930271ac76",
    "ROSMAP/3_tr.csv": "fd8708bc0c41f774209f9e6a49a74c5a9acd510dd62eadc299a18d49ccd9e862",
    "ROSMAP/3_te.csv": "c0d9efd6c35e8c5768b759238c95c64674d7e1e7f76ed07fca6f168d67e676f4",
    "ROSMAP/labels_tr.csv": "5859aa107dbf406937938ebefbec122d01fea5d41a9bd0292199f4406749e45d",
    "ROSMAP/labels_te.csv": "20d728c6f51f79ff5fa7719b960daf22074a0e6e1f3028869042b02ca4e3f68d",
}
"""The files and their sha256."""

NUMBER = {"mrna": 1, "methylation": 2, "mirna": 3}
TRAIN_AND_VAL = {"train": 0.8, "val": 0.2}
AGAIN = "delete its folder and run again"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What was measured.

    Attributes
    ----------
    omics : "mrna", "methylation" or "mirna"
        200 columns each, scaled to [0, 1] by the source.
    """

    omics: Literal["mrna", "methylation", "mirna"] = "mrna"


class Dataset(base.Dataset[Settings]):
    """One table of 351 people. The test rows are the published ones; validation rows were training rows."""

    modality = "tabular"
    title = "ROSMAP, as prepared for MOGONET"
    licence = (
        "MIT, as stated for the repository; generally said: the cohort is under the terms of use of the "
        "AMP-AD Knowledge Portal, ask before passing it on"
    )
    citation = (
        "Wang, Shao, Huang, Tang, Zhang, Ding and Huang, MOGONET integrates multi-omics data using graph "
        "convolutional networks allowing patient classification and biomarker identification, Nature "
        "Communications 12, 3445, 2021"
    )
    source = "AMP-AD Knowledge Portal, by way of github.com/txWang/MOGONET"
    quirks = (
        "The columns were chosen with the labels of the published training rows, among them the validation "
        "rows here, so only the published test rows are clean.",
        "With 106 test samples, one is 0.9 points of accuracy: compare over many seeds.",
    )
    instances = "rosmap"
    upstream = Upstream(
        name="rosmap",
        mirror_sha256="fd690ab0c73adac8a02aa336cc5ffb26f925a47bed537795add5c2cd20513fde",
        home=tuple(Remote(path, f"{HOME}/{path}", sha256) for path, sha256 in FILES.items()),
        paths=tuple(FILES),
        content_sha256="4ee42e30d43849390d292f2e94feb1e3e5bbdf3afbc58b55424b459c49e459aa",
    )
    Settings = Settings

    def load(self) -> Samples:
        """Read one table, training rows first."""
        folder = self.raw / "ROSMAP"
        train, test = (read_labels(folder / f"labels_{part}.csv") for part in ("tr", "te"))
        tables = [
            read_table(folder / f"{NUMBER[self.settings.omics]}_{part}.csv", rows=len(labels))
            for part, labels in (("tr", train), ("te", test))
        ]
        ids = [f"tr{row:03d}" for row in range(len(train))] + [f"te{row:03d}" for row in range(len(test))]
        return Samples(
            inputs=np.concatenate(tables).astype(np.float32),
            labels=np.concatenate([train, test]),
            classes=("control", "patient"),
            ids=ids,
            groups=ids,
            split=stratified_split(train, TRAIN_AND_VAL) + ["test"] * len(test),
            pair_ids=ids,
        )


def read_labels(path: Path) -> NDArray[np.int64]:
    """Read labels that are written as floats, one a line.

    Raises
    ------
    DataError
        If one is not a whole number.
    """
    values = read_table(path)[:, 0]
    broken = np.flatnonzero(~np.isfinite(values) | (np.floor(values) != values))
    if len(broken):
        line = int(broken[0])
        raise DataError(f"{path}: label {values[line]} in line {line + 1} is not whole; {AGAIN}")
    return values.astype(np.int64)


def read_table(path: Path, *, rows: int | None = None) -> NDArray[np.float64]:
    """Read numbers separated by commas, without a header, shape (rows, columns).

    Raises
    ------
    DataError
        If there is anything but numbers, or another number of rows.
    """
    try:
        table: NDArray[np.float64] = np.loadtxt(path, delimiter=",", ndmin=2)
    except ValueError as error:
        raise DataError(f"{path}: not a table of numbers ({error}); {AGAIN}") from None
    if rows is not None and len(table) != rows:
        raise DataError(f"{path}: {len(table)} rows for {rows} labels; {AGAIN}")
    return table
