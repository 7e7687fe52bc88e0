"""Digits written by hand: the 10,000 images of MNIST known as t10k."""

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ucmkd.data import base
from ucmkd.data.base import Samples
from ucmkd.data.datasets.handwritten_digits import DIGITS, FRACTIONS
from ucmkd.data.splits import stratified_split
from ucmkd.data.upstream import Remote, Upstream
from ucmkd.errors import DataError

HOME = "https://raw.githubusercontent.com/fgnt/mnist/ae608a02b796c9ee908c082585a5f006fe05258e"
IMAGES, LABELS = "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"
FILES = {
    IMAGES: "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    LABELS: "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}
"""The files and their sha256."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """There is nothing to set."""


class Dataset(base.Dataset[Settings]):
    """Images (1, 28, 28) of grey levels 0 to 255, 0 the paper. Writers are not recorded."""

    modality = "image"
    title = "MNIST, its 10,000 test images"
    licence = (
        "none stated where it is fetched; generally said: CC BY-SA 3.0, (c) Yann LeCun and Corinna Cortes"
    )
    citation = (
        "LeCun, Bottou, Bengio and Haffner, Gradient-based learning applied to document recognition, "
        "Proceedings of the IEEE 86(11), 1998"
    )
    source = "yann.lecun.com/exdb/mnist, by way of github.com/fgnt/mnist"
    quirks = (
        "The 60,000 training images are left out and the test images divided anew, so results are not "
        "comparable with published ones.",
        "The first 5,000 images are cleaner than the others, which come from other writers; the split is "
        "shuffled over both.",
    )
    upstream = Upstream(
        name="mnist",
        mirror_sha256="c1a0099b1d7bdda4548639ef50c549ef1e3190ce771bf33144fa9c69942745cc",
        home=tuple(Remote(path, f"{HOME}/{path}", sha256) for path, sha256 in FILES.items()),
        paths=tuple(FILES),
        content_sha256="0450252a9ce5159e7c71e436637c3463d478ab8e39d7052407d741df1e0c1226",
    )
    Settings = Settings

    def load(self) -> Samples:
        """Read the images and divide them."""
        images = read_idx(self.raw / IMAGES, dimensions=3)
        labels = read_idx(self.raw / LABELS, dimensions=1).astype(np.int64)
        ids = [f"image{row:04d}" for row in range(len(images))]
        return Samples(
            inputs=images[:, None],
            labels=labels,
            classes=DIGITS,
            ids=ids,
            groups=ids,
            split=stratified_split(labels, FRACTIONS),
        )


def read_idx(path: Path, *, dimensions: int) -> NDArray[np.uint8]:
    """Read a packed IDX file of bytes.

    It holds, in big-endian integers of four bytes, the magic number 0x0800 + ``dimensions`` and the length
    along each of them, then the bytes; see yann.lecun.com/exdb/mnist.

    Raises
    ------
    DataError
        If it is not packed, is of another kind, or has more or fewer bytes than it announces.
    """
    try:
        content = gzip.decompress(path.read_bytes())
        magic, *shape = struct.unpack_from(f">{1 + dimensions}I", content)
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise DataError(f"{path}: not a packed IDX file ({error}); delete its folder and run again") from None
    expected, found = math.prod(shape), len(content) - 4 * (1 + dimensions)
    if magic != 0x0800 + dimensions or found != expected:
        raise DataError(
            f"{path}: magic number {magic} with {found} bytes where {0x0800 + dimensions} with {expected} "
            "are expected; delete its folder and run again"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=len(content) - found).reshape(shape)
