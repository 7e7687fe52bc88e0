"""Small imitations of the public data sets: made-up content in the real layout, as a mirror and as a home."""

import gzip
import hashlib
import io
import struct
import tarfile
import wave
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.io import savemat

from ucmkd.data.base import dataset_class
from ucmkd.data.datasets.fsdd import SPEAKERS
from ucmkd.data.upstream import Archive, Upstream

Files = dict[str, bytes]


@dataclass(frozen=True)
class Imitation:
    """A made-up data set.

    Attributes
    ----------
    upstream : Upstream
        That of the real data set, with the hashes and addresses of this one.
    mirror : Path
        Folder of its archive.
    home : Path
        Folder of what its addresses lead to.
    """

    upstream: Upstream
    mirror: Path
    home: Path


def imitate(kind: str, folder: Path, address: str = "http://localhost:0") -> Imitation:
    """Write an imitation below a folder; ``address`` is where its home will be served."""
    upstream = dataset_class(kind).upstream
    assert upstream is not None
    return publish(upstream, FILES[kind](), folder, address)


def publish(upstream: Upstream, files: Files, folder: Path, address: str) -> Imitation:
    """Pack files as a mirror and as a home, and pin an upstream to them."""
    mirror, home = folder / "mirror", folder / "home"
    kept = {path: files[path] for path in files if any(fnmatch(path, one) for one in upstream.paths)}
    packed = pack({f"{upstream.name}/{path}": content for path, content in files.items()})
    store(mirror, {f"{upstream.name}.tar.gz": packed})
    if isinstance(upstream.home, Archive):
        there: Any = replace(upstream.home, url=f"{address}/archive")
        store(home, {"archive": pack({f"{there.folder}/{path}": files[path] for path in files})})
    else:
        there = tuple(
            replace(one, url=f"{address}/{one.path}", sha256=sha256(files[one.path])) for one in upstream.home
        )
        store(home, kept)
    lines = sorted(f"{path} {sha256(content)}" for path, content in kept.items())
    pinned = replace(
        upstream,
        mirror_sha256=sha256(packed),
        home=there,
        content_sha256=sha256("\n".join(lines).encode()),
    )
    return Imitation(pinned, mirror, home)


def pack(files: Files) -> bytes:
    """Make a tar.gz archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def store(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files below a folder."""
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def sha256(content: bytes) -> str:
    """Give the hash of bytes, as they are written down."""
    return hashlib.sha256(content).hexdigest()


def mnist_arrays() -> tuple[np.ndarray, np.ndarray]:
    """Give 200 images and their digits, in no order."""
    draw = np.random.default_rng(0)
    labels = draw.permutation(np.repeat(np.arange(10, dtype=np.uint8), 20))
    shapes = draw.integers(0, 200, (10, 28, 28))
    return (shapes[labels] + draw.integers(0, 56, (200, 28, 28))).astype(np.uint8), labels


def idx(array: np.ndarray) -> bytes:
    """Write bytes as an IDX file, by its specification."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def mnist() -> Files:
    """Imitate the two packed IDX files."""
    images, labels = mnist_arrays()
    return {
        "t10k-images-idx3-ubyte.gz": gzip.compress(idx(images), mtime=0),
        "t10k-labels-idx1-ubyte.gz": gzip.compress(idx(labels), mtime=0),
    }


def mfeat_arrays() -> tuple[list[np.ndarray], np.ndarray]:
    """Give the six views of 200 digits, in the types of the original, and the digits, sorted."""
    draw = np.random.default_rng(1)
    digits = np.repeat(np.arange(10), 20)
    columns = {240: np.uint8, 76: float, 216: np.uint16, 47: float, 64: float, 6: float}
    views = [
        (draw.uniform(0, 60, (10, width))[digits] + draw.uniform(0, 10, (200, width))).astype(dtype)
        for width, dtype in columns.items()
    ]
    return views, digits


def mfeat() -> Files:
    """Imitate the file of six views."""
    views, digits = mfeat_arrays()
    return {"handwritten.mat": mat(X=cells(views).reshape(1, 6), Y=(digits[:, None] + 1).astype(np.uint8))}


def wikipedia_arrays() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give shares of visual words, shares of topics, and the topics, for as many rows as the original."""
    draw = np.random.default_rng(2)
    topics = draw.integers(0, 10, 2866)
    images, texts = (draw.gamma(draw.uniform(0.2, 2, (10, width))[topics]) + 1e-3 for width in (128, 10))
    return images / images.sum(1, keepdims=True), texts / texts.sum(1, keepdims=True), topics


def wikipedia() -> Files:
    """Imitate the file of two views, with the names of the views swapped, and the file of test rows."""
    images, texts, topics = wikipedia_arrays()
    y = (topics[:, None] + 1).astype(np.uint8)
    names = cells(["word", "SIFT"]).reshape(2, 1)
    return {
        "Wikipedia.mat": mat(X=cells([images, texts]).reshape(2, 1), y=y, view_meaning=names),
        "Wikipedia-test.mat": mat(X=cells([images[2173:], texts[2173:]]).reshape(2, 1), y=y[2173:]),
        "README.md": b"View: Word(128), SIFT(10)\n",
    }


def cells(values: list[Any]) -> np.ndarray:
    """Give an array of objects, which MATLAB calls cells."""
    array = np.empty(len(values), dtype=object)
    for position, value in enumerate(values):
        array[position] = value
    return array


def mat(**variables: np.ndarray) -> bytes:
    """Write variables as a MATLAB 5 file."""
    buffer = io.BytesIO()
    savemat(buffer, variables, do_compression=True)
    return buffer.getvalue()


def rosmap_arrays() -> dict[str, np.ndarray]:
    """Give the tables and the labels of 60 training and 30 test rows, by the name of their file."""
    draw = np.random.default_rng(3)
    labels = {"tr": draw.permutation(np.arange(60) % 2), "te": draw.permutation(np.arange(30) % 2)}
    arrays = {f"labels_{part}": values.astype(float) for part, values in labels.items()}
    for number in "123":
        centres = draw.uniform(0.2, 0.8, (2, 200))
        for part, values in labels.items():
            arrays[f"{number}_{part}"] = centres[values] + draw.uniform(-0.2, 0.2, (len(values), 200))
    return arrays


def rosmap() -> Files:
    """Imitate the tables of numbers and the list of column names."""
    tables = {f"ROSMAP/{name}.csv": table(array) for name, array in rosmap_arrays().items()}
    return tables | {"ROSMAP/1_featname.csv": b"ENSG00000161896.6\n", "LICENSE": b"MIT\n"}


def table(array: np.ndarray) -> bytes:
    """Write numbers separated by commas."""
    buffer = io.BytesIO()
    np.savetxt(buffer, array, delimiter=",")
    return buffer.getvalue()


def fsdd_tone(digit: int, speaker: str, index: int) -> np.ndarray:
    """Give a tone that is higher for a higher digit, at the level of the speaker, of 16-bit integers."""
    duration = 0.15 + 0.1 * index + 0.02 * SPEAKERS.index(speaker)
    time = np.arange(int(8000 * duration)) / 8000
    draw = np.random.default_rng([digit, SPEAKERS.index(speaker), index])
    tone = np.sin(2 * np.pi * (300 + 300 * digit) * time) + 0.05 * draw.normal(size=len(time))
    return (tone * 1000 * 2 ** SPEAKERS.index(speaker) / 2).astype("<i2")


def fsdd() -> Files:
    """Imitate three recordings of each digit by each speaker."""
    files = {"README.md": b"CC BY-SA 4.0\n", "utils/trimmer.py": b"pass\n"}
    for speaker in SPEAKERS:
        for digit in range(10):
            for index in range(3):
                files[f"recordings/{digit}_{speaker}_{index}.wav"] = wav(fsdd_tone(digit, speaker, index))
    return files


def wav(samples: np.ndarray) -> bytes:
    """Write one channel of 16-bit integers at 8 kHz."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(samples.tobytes())
    return buffer.getvalue()


SIGNERS = 36
SIDEWAYS = 1118 + 17
"""The number of a photograph that is three times as large and lies on its side."""


def hand(digit: int) -> Image.Image:
    """Draw what stands for a sign: a dark field on light ground, elsewhere for each digit."""
    image = Image.new("RGB", (100, 100), (230, 220, 210))
    image.paste((60 + 15 * digit, 90, 40), (10 * digit, 5 * digit, 10 * digit + 10, 5 * digit + 40))
    return image


def signdigits() -> Files:
    """Imitate photographs whose numbers run through the digits once a signer, with gaps between some."""
    files = {"README.md": b"218 students\n", "LICENSE": b"Apache\n"}
    number = 1118
    for signer in range(SIGNERS):
        shade = np.random.default_rng(signer).integers(0, 20, (100, 100, 3)).astype(np.uint8)
        for digit in range(10):
            image = Image.fromarray(np.asarray(hand(digit)) - shade)
            files[f"Dataset/{digit}/IMG_{number}.JPG"] = jpeg(image, sideways=number == SIDEWAYS)
            number += 1
        number += 7 * (signer % 4 == 3)
    return files


def jpeg(image: Image.Image, *, sideways: bool) -> bytes:
    """Write a photograph; one that lies on its side is large and has a tag that says how to turn it."""
    buffer, tags = io.BytesIO(), Image.Exif()
    if sideways:
        tags[0x0112] = 6  # to be turned clockwise by a quarter
        image = image.resize((300, 300), Image.Resampling.NEAREST).rotate(90)
    image.save(buffer, "JPEG", quality=90, exif=tags)
    return buffer.getvalue()


FILES: dict[str, Callable[[], Files]] = {
    function.__name__: cache(function) for function in (mnist, fsdd, signdigits, mfeat, wikipedia, rosmap)
}
"""What each imitation holds, the files that are not kept among them; made once."""
