"""Digits written by hand, as six sets of features of one image: the Multiple Features of UCI."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ucmkd.data import base
from ucmkd.data.base import Samples
from ucmkd.data.datasets.handwritten_digits import DIGITS, FRACTIONS
from ucmkd.data.splits import stratified_split
from ucmkd.data.upstream import Remote, Upstream
from ucmkd.errors import DataError

FILE = "handwritten.mat"
VIEWS = {
    "pix": "pixel averages in 2 x 3 windows",
    "fou": "Fourier coefficients of the shape",
    "fac": "profile correlations",
    "zer": "Zernike moments",
    "kar": "Karhunen-Loeve coefficients",
    "mor": "morphological features",
}
"""What each view is, in the order of the file."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Which features.

    Attributes
    ----------
    view : "pix", "fou", "fac", "zer", "kar" or "mor"
        240, 76, 216, 47, 64 or 6 columns.
    """

    view: Literal["pix", "fou", "fac", "zer", "kar", "mor"] = "pix"


class Dataset(base.Dataset[Settings]):
    """One view of 2,000 digits from maps; the six views have the same rows and the same split."""

    modality = "tabular"
    title = "Multiple Features"
    licence = "none stated where it is fetched; generally said: CC BY 4.0"
    citation = "Duin, Multiple Features, UCI Machine Learning Repository, 1998"
    source = (
        "archive.ics.uci.edu/dataset/72/multiple+features, by way of github.com/zhou572/Multi-view-Datasets"
    )
    quirks = (
        "All views are of one binary image, so they are closer to each other than modalities are.",
        "pix, fac and kar are strong, fou and zer weaker, mor weakest; fou, zer and mor hardly tell 6 "
        "from 9.",
    )
    instances = "mfeat"
    upstream = Upstream(
        name="mfeat",
        mirror_sha256="a22b92f03e549ec3126fc58788f5c3411600e034b96e37040f67c7a69f0cb908",
        home=(
            Remote(
                FILE,
                "https://raw.githubusercontent.com/zhou572/Multi-view-Datasets/"
                f"da48f8bf4270c73d57c814a470fcd5fb16d757db/{FILE}",
                "58843f19f3cea95dd3c506b2d44484b4589cc56c45786061db0778366c72bf06",
            ),
        ),
        paths=(FILE,),
        content_sha256="711cfad629671b57979d7455e3e039e84422212b9e1c9c0374ad62181f085988",
    )
    Settings = Settings

    def load(self) -> Samples:
        """Take one view; label k of the file is the digit k - 1."""
        from scipy.io import loadmat

        content = loadmat(self.raw / FILE)
        view = content["X"][0, list(VIEWS).index(self.settings.view)]
        labels = content["Y"].ravel().astype(np.int64) - 1
        if len(view) != len(labels):
            raise DataError(
                f"{self.raw / FILE}: {len(view)} rows and {len(labels)} labels; delete its folder and run "
                "again"
            )
        ids = [f"row{row:04d}" for row in range(len(labels))]
        return Samples(
            inputs=view.astype(np.float32),
            labels=labels,
            classes=DIGITS,
            ids=ids,
            groups=ids,
            split=stratified_split(labels, FRACTIONS),
            pair_ids=ids,
        )
