"""Sections of Wikipedia articles, as features of their image or of their text."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ucmkd.data import base
from ucmkd.data.base import Samples
from ucmkd.data.splits import stratified_split
from ucmkd.data.upstream import Remote, Upstream
from ucmkd.errors import DataError

FILE = "Wikipedia.mat"
TOPICS = (
    "art", "biology", "geography", "history", "literature",
    "media", "music", "royalty", "sport", "warfare",
)  # fmt: skip
COLUMNS = {"image": 128, "text": 10}
"""How many features each view has, in the order of the file."""

FIRST_TEST_ROW = 2173
TRAIN_AND_VAL = {"train": 0.8, "val": 0.2}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Which side of the sections.

    Attributes
    ----------
    view : "image" or "text"
        128 shares of visual words (SIFT), or 10 shares of topics (latent Dirichlet allocation).
    """

    view: Literal["image", "text"] = "text"


class Dataset(base.Dataset[Settings]):
    """Shares that sum to one. The test rows are the published ones; validation rows were training rows."""

    modality = "tabular"
    title = "Wikipedia featured articles"
    licence = (
        "none stated where it is fetched; generally said: derived from articles under CC BY-SA, features "
        "released for research"
    )
    citation = (
        "Rasiwasia, Costa Pereira, Coviello, Doyle, Lanckriet, Levy and Vasconcelos, A new approach to "
        "cross-modal multimedia retrieval, ACM Multimedia 2010"
    )
    source = "svcl.ucsd.edu/projects/crossmodal, by way of github.com/ChuanbinZhang/Multi-view-datasets"
    quirks = (
        "The file has the names of its two views swapped: 128 columns are the image, 10 the text, as in the "
        "paper.",
        "The image is very weak and the text strong.",
    )
    instances = "wikipedia"
    upstream = Upstream(
        name="wikipedia",
        mirror_sha256="1b6624311ef6d1515d2be24d9feed2c94d3983473d04fdea636e1c75aeffec18",
        home=(
            Remote(
                FILE,
                "https://raw.githubusercontent.com/ChuanbinZhang/Multi-view-datasets/"
                f"03ead31e6538322e4e0701c3c28a01595c1a015d/{FILE}",
                "6eed8527704611dff921243d86dbec5621312b8c6636086ae3677508b5d3cb03",
            ),
        ),
        paths=(FILE,),
        content_sha256="d83bea5808a40460e9693f435b37b319a6b1e31c1e769b41a8e549f0e3cbbc13",
    )
    Settings = Settings

    def load(self) -> Samples:
        """Take one view."""
        from scipy.io import loadmat

        content = loadmat(self.raw / FILE)
        view = content["X"][list(COLUMNS).index(self.settings.view), 0]
        labels = content["y"].ravel().astype(np.int64) - 1
        if view.shape != (len(labels), COLUMNS[self.settings.view]):
            raise DataError(
                f"{self.raw / FILE}: the {self.settings.view} is of shape {view.shape} with {len(labels)} "
                f"labels; expected {COLUMNS[self.settings.view]} columns; delete its folder and run again"
            )
        ids = [f"section{row:04d}" for row in range(len(labels))]
        test = ["test"] * (len(labels) - FIRST_TEST_ROW)
        return Samples(
            inputs=view.astype(np.float32),
            labels=labels,
            classes=TOPICS,
            ids=ids,
            groups=ids,
            split=stratified_split(labels[:FIRST_TEST_ROW], TRAIN_AND_VAL) + test,
            pair_ids=ids,
        )
