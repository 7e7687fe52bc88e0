"""Photographs of hands that sign a digit: the Sign Language Digits of Ankara Ayrancı Anadolu High School."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ucmkd.data import base
from ucmkd.data.base import Samples
from ucmkd.data.datasets.handwritten_digits import DIGITS, FRACTIONS
from ucmkd.data.images import read_image
from ucmkd.data.splits import group_split
from ucmkd.data.upstream import Archive, Upstream
from ucmkd.errors import DataError

NAME = re.compile(r"([0-9])/IMG_([0-9]+)\.JPG")
COMMIT = "4b09433ef9d5c60602e8805bb54b8aa2428527f8"
FALL = 4
"""A step down by so many digits or more, from one picture to the next, is a new signer. A signer shows 0 to 9
in order; smaller steps down are pictures taken in the wrong order."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How large the pictures are, and what stays together.

    Attributes
    ----------
    size : int
        Height and width, in pixels; the photographs have 100.
    block : int
        How many pictures with consecutive numbers stay in one split, at least; a block ends with a signer.
    """

    size: int = 32
    block: int = 50

    def __post_init__(self) -> None:
        for name in ("size", "block"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")


class Dataset(base.Dataset[Settings]):
    """Colour images (3, size, size). A group is a block of consecutive file numbers."""

    modality = "image"
    title = "Sign Language Digits"
    licence = "Apache 2.0, as stated"
    citation = (
        "Mavi, A New Dataset and Proposed Convolutional Neural Network Architecture for Classification of "
        "American Sign Language Digits, arXiv:2011.08927, 2020"
    )
    source = "github.com/ardamavi/Sign-Language-Digits-Dataset"
    quirks = (
        "Who signs is not recorded. File numbers run through the digits from 0 to 9 again and again, so a "
        "signer is taken to end where the digits start again, and splits are made of blocks of signers.",
        "Three photographs are of 3024 x 3024 pixels and lie on their side; they are turned and scaled.",
    )
    grouped = True
    upstream = Upstream(
        name="signdigits",
        mirror_sha256="f1dcfb9fa49a065600e142cda2f29108c9b0a2632b1cc53c681455a7cccd28cd",
        home=Archive(
            f"https://codeload.github.com/ardamavi/Sign-Language-Digits-Dataset/tar.gz/{COMMIT}",
            f"Sign-Language-Digits-Dataset-{COMMIT}",
        ),
        paths=("Dataset/*/IMG_*.JPG",),
        content_sha256="4d7ad3b91cbc63bc44fe251613b22ee5cf7f8b830ca062d3bb141a38a8c3ef39",
    )
    Settings = Settings

    def load(self) -> Samples:
        """Read the photographs in the order they were taken."""
        photographs = sorted((*parse(path), path) for path in (self.raw / "Dataset").glob("*/*"))
        numbers, digits, paths = zip(*photographs, strict=True)
        groups = blocks(numbers, digits, at_least=self.settings.block)
        return Samples(
            inputs=np.stack([read_image(path, size=self.settings.size) for path in paths]),
            labels=np.array(digits, dtype=np.int64),
            classes=DIGITS,
            ids=[path.stem for path in paths],
            groups=groups,
            split=group_split(groups, FRACTIONS),
        )


def parse(path: Path) -> tuple[int, int]:
    """Read the number and the digit of a photograph from its name and its folder's.

    Raises
    ------
    DataError
        If they are named in another way.
    """
    match = NAME.fullmatch(f"{path.parent.name}/{path.name}")
    if match is None:
        raise DataError(f"{path}: is not named DIGIT/IMG_NUMBER.JPG; delete its folder and run again")
    return int(match[2]), int(match[1])


def blocks(numbers: Sequence[int], digits: Sequence[int], *, at_least: int) -> list[str]:
    """Cut pictures that are ordered by number into blocks that end with a signer.

    Parameters
    ----------
    numbers, digits : sequences of n int
        The number and the digit of each picture.
    at_least : int
        How many pictures a block has before it may end; the last block has what is left.

    Returns
    -------
    list of n strings
        The block of each picture, named after its first number.
    """
    names: list[str] = []
    first = 0
    for row, digit in enumerate(digits):
        starts_again = row > 0 and digits[row - 1] - digit >= FALL
        if starts_again and row - first >= at_least:
            first = row
        names.append(f"from{numbers[first]}")
    return names
