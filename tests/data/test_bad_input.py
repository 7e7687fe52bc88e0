"""Bad input ends in a clear error or in a reported skip, never in a number; its good neighbour passes."""

import re
import shutil
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image

from tests.new.own_data import (
    RATE,
    numbers,
    picture,
    read,
    write_image,
    write_images,
    write_sound,
    write_sounds,
    write_table,
)
from ucmkd.data import audio, images
from ucmkd.data.audio import read_audio
from ucmkd.data.images import read_image
from ucmkd.errors import ConfigError, DataError

SOUNDS = {"sample_rate": RATE, "window": 256, "bands": 8, "frames": 4}
LABELS = np.arange(30) % 3


@dataclass(frozen=True)
class Bad:
    """``spoil`` changes good data at a path; ``message`` is what the error says, or why it was skipped."""

    name: str
    spoil: Callable[[Path], object]
    message: str
    settings: tuple[tuple[str, Any], ...] = ()


def png_that_claims(width: int, height: int) -> bytes:
    """Give a PNG whose heading promises so many pixels and whose body has none."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    heading = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", heading) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def cut(path: Path, keep: float) -> None:
    """Cut the end off a file."""
    content = path.read_bytes()
    path.write_bytes(content[: round(keep * len(content))])


def with_rate(path: Path, rate: int) -> None:
    """Write another sample rate into the heading of a WAV file."""
    content = bytearray(path.read_bytes())
    content[24:28] = struct.pack("<I", rate)
    path.write_bytes(content)


def replaced(path: Path, old: str, new: str, times: int = 1) -> None:
    """Replace words in a text file, in which they must stand."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, times), encoding="utf-8")


def three_splits(folder: Path) -> None:
    """Give a folder of classes the splits train, val and test."""
    shutil.rmtree(folder)
    for first, part in enumerate(("train", "val", "test")):
        write_images(folder / part, each=4, first=100 * first)


def copied_across(folder: Path) -> None:
    three_splits(folder)
    shutil.copy(folder / "train" / "cat" / "00.png", folder / "test" / "cat" / "again.png")


def without_one(folder: Path) -> None:
    three_splits(folder)
    shutil.rmtree(folder / "val" / "owl")


def one_split_too_many(folder: Path) -> None:
    three_splits(folder)
    write_images(folder / "extra", each=2, first=900)


def in_line_5(cells: str) -> Callable[[Path], None]:
    """Put other cells on line 5 of a table of numbers."""
    return lambda path: replaced(path, "0.01,3,cat", cells)


def in_line_12(text: str) -> Callable[[Path], None]:
    """Put another text on line 12 of a table of texts."""
    return lambda path: replaced(path, "word 1.03 9", text)


SKIPPED_IMAGES = [
    Bad("garbage", lambda path: path.write_bytes(b"no image at all"), "not a readable image"),
    Bad("nothing", lambda path: path.write_bytes(b""), "not a readable image"),
    Bad("truncated", lambda path: cut(write_image(path, 900), 0.6), "not a readable image"),
    Bad(
        "16 bit",
        lambda path: Image.fromarray(np.full((9, 9), 999, "uint16")).save(path),
        "save it with 8 bits",
    ),
    Bad("oversized", lambda path: path.write_bytes(png_that_claims(12000, 10000)), "too many; scale it down"),
    Bad("a bomb", lambda path: path.write_bytes(png_that_claims(60000, 60000)), "not a readable image"),
]
SKIPPED_SOUNDS = [
    Bad("garbage", lambda path: path.write_bytes(b"RIFF no sound at all"), "not a readable sound file"),
    Bad("nothing", lambda path: path.write_bytes(b""), "not a readable sound file"),
    Bad("zero length", lambda path: write_sound(path, 900, samples=0), "zero length"),
    Bad("cut heading", lambda path: cut(write_sound(path, 900), 0.003), "not a readable sound file"),
    Bad(
        "not finite",
        lambda path: soundfile.write(path, np.full(900, np.nan), RATE, subtype="FLOAT"),
        "NaN or infinite",
    ),
    Bad("rate too low", lambda path: with_rate(write_sound(path, 900), 7), "a sample rate of 7 Hz"),
    Bad(
        "rate too high",
        lambda path: with_rate(write_sound(path, 900), 2**31 - 1),
        "sample rate of 2147483647 Hz",
    ),
]
REFUSED_FOLDERS = [
    Bad(
        "empty folder",
        lambda d: [shutil.rmtree(path) for path in d.iterdir()],
        "holds no folder of a class with",
    ),
    Bad(
        "empty class",
        lambda d: (d / "empty").mkdir(),
        "empty: holds no images .* fill the folder or delete it",
    ),
    Bad(
        "class of other files",
        lambda d: [(d / "x").mkdir(), (d / "x" / "a.txt").write_text("")],
        "x: holds no images",
    ),
    Bad(
        "one class",
        lambda d: [shutil.rmtree(d / name) for name in ("cat", "dog")],
        "class 'owl' is all there is",
    ),
    Bad(
        "too few",
        lambda d: write_images(d, ("ant",), each=2, first=900),
        "class 'ant' has 2 different samples, too few",
    ),
    Bad(
        "too few that differ",
        lambda d: [
            shutil.copy(write_image(d / "ant" / f"{n}.png", 900 + n), d / "ant" / f"{n}_.png")
            for n in range(2)
        ],
        "class 'ant' has 2 different samples, too few",
    ),
    Bad(
        "unreadable class",
        lambda d: [(d / "x").mkdir(), (d / "x" / "a.png").write_text("")],
        "class 'x' has 0 different",
    ),
    Bad(
        "case",
        lambda d: write_images(d, ("Cat",), first=900),
        "'Cat' and 'cat' differ only in case .* set labels: {\"Cat\"",
    ),
    Bad(
        "blanks",
        lambda d: write_images(d, ("cat ",), first=900),
        "'cat' and 'cat ' differ only in case or blanks",
    ),
    Bad(
        "floats",
        lambda d: write_images(d, ("1.0",), first=900),
        r"'1\.0' is a number with a point.*\"1\.0\": \"1\"",
    ),
    Bad(
        "two labels",
        lambda d: shutil.copy(d / "cat" / "00.png", d / "dog" / "x.png"),
        r"'cat/00\.png' and 'dog/x\.png' have the same content and two labels, 'cat' and 'dog'",
    ),
    Bad(
        "copies across splits",
        copied_across,
        r"'train/cat/00\.png' and 'test/cat/again\.png' have the same content and stand in train and test|"
        r"'test/cat/again\.png' and 'train/cat/00\.png' have the same content and stand in test and train",
    ),
    Bad("class in some splits", without_one, "class 'owl' has no val sample"),
    Bad("folder beside splits", one_split_too_many, "extra: stands beside the folders of splits"),
    Bad(
        "only train",
        lambda d: [three_splits(d), shutil.rmtree(d / "val"), shutil.rmtree(d / "test")],
        "no sample stands in test",
    ),
    Bad(
        "two names of a split",
        lambda d: [three_splits(d), write_images(d / "valid", first=900)],
        "'val' and 'valid' are both for val",
    ),
    Bad(
        "too few groups",
        lambda d: None,
        "class 'cat' has 1 different groups, too few",
        (("group", "^([0-9])"),),
    ),
    Bad(
        "instance without a name", lambda d: None, "no part that pair", (("pair", "^(s)"), ("instances", "i"))
    ),
]
REFUSED_TABLES = [
    Bad("empty", lambda path: path.write_text(""), "is empty"),
    Bad("only a heading", lambda path: path.write_text("height,width,label\n"), "a heading and no rows"),
    Bad("other delimiter", lambda path: replaced(path, ",", ";", -1), 'set delimiter: ";"'),
    Bad("tabs", lambda path: replaced(path, ",", "\t", -1), r'set delimiter: "\\t"'),
    Bad(
        "no label", lambda path: replaced(path, "label", "labels"), "no column 'label'; did you mean 'labels'"
    ),
    Bad(
        "no column", lambda path: None, "no column 'hight'; did you mean 'height'", (("columns", ["hight"]),)
    ),
    Bad("no split", lambda path: None, "split: there is no column 'part'", (("split", "part"),)),
    Bad(
        "repeated column",
        lambda path: replaced(path, "width", "height"),
        "column 'height' stands there twice",
    ),
    Bad("unnamed column", lambda path: replaced(path, "height", ""), "column 1 has no name"),
    Bad("short row", in_line_5("0.01,cat"), "line 5 has 2 cells and the heading 3"),
    Bad("long row", in_line_5("0,01,3,cat"), "line 5 has 4 cells and the heading 3"),
    Bad("open quote", in_line_5('"0.01,3,cat'), "line 5: .*quote"),
    Bad(
        "latin 1",
        lambda path: path.write_bytes(path.read_bytes().replace(b"0.01,3,cat", b"0.01,3,c\xe4t")),
        "line 5 is not UTF-8",
    ),
    Bad("utf 16", lambda path: path.write_bytes(path.read_text().encode("utf-16")), "line 1 is not UTF-8"),
    Bad(
        "zero bytes", lambda path: path.write_bytes(path.read_text().encode("utf-16-le")), "bytes of value 0"
    ),
    Bad("words", in_line_5("tall,3,cat"), "line 5, column 'height': 'tall' is not a number"),
    Bad("NaN", in_line_5("NaN,3,cat"), "line 5, column 'height': 'NaN' is not a number"),
    Bad("infinite", in_line_5("0.01,-inf,cat"), "line 5, column 'width': '-inf' is not"),
    Bad("empty cell", in_line_5("0.01,,cat"), "line 5, column 'width': the cell is empty"),
    Bad("too large", in_line_5("1e39,3,cat"), "line 5, column 'height': 1e39 is beyond"),
    Bad("underscores", in_line_5("0.01,1_000,cat"), "'1_000' is not a number"),
    Bad("decimal comma", in_line_5('"0,01",3,cat'), "'0,01' is not a number"),
    Bad("empty label", in_line_5("0.01,3, "), "line 5, column 'label' is empty"),
    Bad(
        "float labels",
        lambda path: replaced(path, "cat", "1.0", -1),
        r"label '1\.0' is a number with a point",
    ),
    Bad("NaN labels", lambda path: replaced(path, "cat", "nan", -1), "label 'nan' is a number with a point"),
    Bad(
        "one class", lambda path: [replaced(path, name, "cat", -1) for name in ("dog", "owl")], "at least two"
    ),
    Bad("case", lambda path: replaced(path, "cat", "Cat"), "'Cat' and 'cat' differ only in case"),
    Bad("blanks", lambda path: replaced(path, "3,cat", "3, cat"), "differ only in case or blanks"),
    Bad(
        "two labels",
        lambda path: replaced(path, "1.00,0,dog", "0.00,0,dog"),
        "'line2' and 'line3' have the same content and two labels, 'cat' and 'dog'",
    ),
    Bad(
        "unknown split",
        lambda path: replaced(path, "cat", "trian"),
        "'trian' is no split",
        (("split", "label"),),
    ),
    Bad("repeated id", lambda path: None, "id '0' occurs more than once", (("id", "width"),)),
    Bad(
        "empty group",
        lambda path: replaced(path, "0.01,3", "0.01,"),
        "line 5, column 'width' is empty",
        (("group", "width"), ("columns", ["height"])),
    ),
]
REFUSED_TEXTS = [
    Bad("empty text", in_line_12(" "), "line 12, column 'text': the text is empty"),
    Bad("long text", in_line_12("x" * 100_001), "line 12, column 'text': 100001 signs"),
    Bad("endless text", in_line_12("x" * 200_000), "line 12: field larger than"),
    Bad("no text", lambda path: replaced(path, "text", "txt"), "no column 'text'; did you mean 'txt'"),
    Bad("two labels", in_line_12("word 0.00 0"), "'line2' and 'line12' have the same content and two labels"),
]
REFUSED_ARRAYS = [
    Bad(
        "Python objects",
        lambda d: np.save(d / "x.npy", np.array([{}] * 30), allow_pickle=True),
        "holds Python objects",
    ),
    Bad(
        "Python objects as labels",
        lambda d: np.save(d / "y.npy", np.array([{}] * 30), allow_pickle=True),
        r"y\.npy: holds Python objects",
    ),
    Bad("garbage", lambda d: (d / "x.npy").write_bytes(b"no array"), "is no array|holds Python objects"),
    Bad("nothing", lambda d: (d / "x.npy").write_bytes(b""), "is no array"),
    Bad("truncated", lambda d: cut(d / "x.npy", 0.5), "is no array"),
    Bad("several", lambda d: np.savez((d / "x.npy").open("wb"), a=np.ones(3)), "several arrays"),
    Bad("words", lambda d: np.save(d / "x.npy", np.full((30, 4), "a")), "holds <U1; give numbers"),
    Bad("complex", lambda d: np.save(d / "x.npy", np.full((30, 4), 1j)), "holds complex128"),
    Bad(
        "wrong shape",
        lambda d: np.save(d / "x.npy", np.ones((30, 4, 4))),
        r"shape \(30, 4, 4\); .* \(n, columns\)",
    ),
    Bad("no columns", lambda d: np.save(d / "x.npy", np.ones((30, 0))), r"shape \(30, 0\)"),
    Bad("not an image", lambda d: None, "of modality 'image' are", (("modality", "image"),)),
    Bad(
        "channels last",
        lambda d: np.save(d / "x.npy", np.ones((30, 8, 8, 3))),
        r"\(n, channels, height, width\)",
        (("modality", "image"),),
    ),
    Bad(
        "not a sound",
        lambda d: np.save(d / "x.npy", np.ones((30, 2, 8, 8))),
        r"\(n, 1, bands, frames\)",
        (("modality", "audio"),),
    ),
    Bad("not a sequence", lambda d: None, r"\(n, channels, steps\)", (("modality", "sequence"),)),
    Bad("not words", lambda d: None, "words are whole numbers", (("modality", "text"),)),
    Bad(
        "words beyond",
        lambda d: np.save(d / "x.npy", np.full((30, 4), 2**14)),
        "from 1 to 16383",
        (("modality", "text"),),
    ),
    Bad(
        "not finite",
        lambda d: np.save(d / "x.npy", np.where(np.arange(30) == 7, np.nan, 1)[:, None]),
        "row 7 holds",
    ),
    Bad(
        "too large",
        lambda d: np.save(d / "x.npy", np.where(np.arange(30) == 7, 1e300, 1)[:, None]),
        "row 7 holds",
    ),
    Bad("too few labels", lambda d: np.save(d / "y.npy", LABELS[:29]), "29 labels for 30 inputs"),
    Bad(
        "float labels",
        lambda d: np.save(d / "y.npy", LABELS / 1.0),
        r"holds float64; give whole numbers .*astype\(int\)",
    ),
    Bad(
        "table of labels",
        lambda d: np.save(d / "y.npy", LABELS[:, None]),
        r"shape \(30, 1\); give one label a sample",
    ),
    Bad(
        "two labels",
        lambda d: np.save(d / "x.npy", np.ones((30, 4))),
        "'row0' and 'row1' have the same content and two",
    ),
    Bad("one class", lambda d: np.save(d / "y.npy", 0 * LABELS), "class '0' is all there is"),
    Bad(
        "too few",
        lambda d: np.save(d / "y.npy", np.arange(30) // 2),
        "class '0' has 2 different samples, too few",
    ),
    Bad("no labels", lambda d: (d / "y.npy").unlink(), r"y\.npy: there is no such file"),
]


def name_of(case: Bad) -> str:
    return case.name


def write_texts(path: Path) -> Path:
    rows = [{"text": f"word {row['height']} {row['width']}", "label": row["label"]} for row in numbers()]
    return write_table(path, rows)


def write_arrays(folder: Path) -> Path:
    folder.mkdir()
    np.save(folder / "x.npy", np.random.default_rng(0).normal(size=(30, 4)))
    np.save(folder / "y.npy", LABELS)
    return folder


def arrays(folder: Path) -> dict[str, str]:
    return {"inputs": str(folder / "x.npy"), "labels_file": str(folder / "y.npy"), "modality": "tabular"}


def refuse(kind: str, tmp_path: Path, case: Bad, settings: dict[str, Any]) -> None:
    """Read good data, spoil them, and expect one message that names the file."""
    place = Path(next(iter(settings.values())))
    read(kind, tmp_path, **settings)
    case.spoil(place.parent if kind == "array_npy" else place)
    with pytest.raises((DataError, ConfigError)) as caught:
        read(kind, tmp_path, **settings | dict(case.settings))
    message = str(caught.value)
    assert re.search(case.message, message), message
    assert str(tmp_path) in message or message.startswith("mine: ")
    assert "\n" not in message


def skip(kind: str, tmp_path: Path, case: Bad, suffix: str, settings: dict[str, Any]) -> None:
    """Read a good folder with one spoilt file, which is reported, and expect all other files."""
    spoilt = Path(settings["folder"]) / "cat" / f"bad{suffix}"
    case.spoil(spoilt)
    _, samples = read(kind, tmp_path, **settings)
    assert len(samples.ids) == 30
    assert list(samples.skipped) == [f"cat/bad{suffix}"]
    assert re.search(case.message, samples.skipped[f"cat/bad{suffix}"])


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("case", SKIPPED_IMAGES, ids=name_of)
def test_a_bad_image_is_reported(tmp_path, case):
    skip("image_folder", tmp_path, case, ".png", {"folder": str(write_images(tmp_path / "d")), "size": 8})


@pytest.mark.parametrize("case", SKIPPED_SOUNDS, ids=name_of)
def test_a_bad_sound_is_reported(tmp_path, case):
    skip("audio_folder", tmp_path, case, ".wav", {"folder": str(write_sounds(tmp_path / "d")), **SOUNDS})


@pytest.mark.parametrize("case", REFUSED_FOLDERS, ids=name_of)
def test_a_bad_folder_is_refused(tmp_path, case):
    refuse("image_folder", tmp_path, case, {"folder": str(write_images(tmp_path / "d")), "size": 8})


@pytest.mark.parametrize("case", REFUSED_TABLES, ids=name_of)
def test_a_bad_table_is_refused(tmp_path, case):
    refuse("table_csv", tmp_path, case, {"file": str(write_table(tmp_path / "t.csv", numbers()))})


@pytest.mark.parametrize("case", REFUSED_TEXTS, ids=name_of)
def test_a_bad_table_of_texts_is_refused(tmp_path, case):
    refuse("text_csv", tmp_path, case, {"file": str(write_texts(tmp_path / "t.csv"))})


@pytest.mark.parametrize("case", REFUSED_ARRAYS, ids=name_of)
def test_a_bad_array_is_refused(tmp_path, case):
    refuse("array_npy", tmp_path, case, arrays(write_arrays(tmp_path / "d")))


def test_a_row_in_two_splits_is_refused(tmp_path):
    table = [row | {"part": ("train", "val", "test")[n // 3 % 3]} for n, row in enumerate(numbers())]
    path = write_table(tmp_path / "t.csv", table)
    read("table_csv", tmp_path, file=str(path), split="part")
    write_table(path, [*table, table[0] | {"part": "test"}])
    with pytest.raises(DataError, match=r"'line2' and 'line32' .* stand in train and test"):
        read("table_csv", tmp_path, file=str(path), split="part")


def test_a_group_in_two_given_splits_is_refused(tmp_path):
    table = [row | {"part": ("train", "val", "test")[n // 3 % 3], "who": f"p{n // 3 % 3}"}
             for n, row in enumerate(numbers())]  # fmt: skip
    path = write_table(tmp_path / "t.csv", table)
    read("table_csv", tmp_path, file=str(path), split="part", group="who")
    write_table(path, [*table[:-1], table[-1] | {"who": "p1"}])
    with pytest.raises(DataError, match="group 'p1' stands in val and train"):
        read("table_csv", tmp_path, file=str(path), split="part", group="who")


def test_classes_do_not_depend_on_the_order_of_labels(tmp_path):
    folder = write_arrays(tmp_path / "d")
    np.save(folder / "y.npy", np.array([10, 9, 2])[LABELS])
    assert read("array_npy", tmp_path, **arrays(folder))[1].classes == ("2", "9", "10")


def test_nothing_but_damaged_files_is_an_error(tmp_path):
    folder = write_images(tmp_path / "d")
    for path in folder.glob("*/*.png"):
        path.write_bytes(b"damaged")
    with pytest.raises(DataError, match="none of 30 files can be read"):
        read("image_folder", tmp_path, folder=str(folder))


def test_an_image_is_refused_above_the_limit_alone(tmp_path, monkeypatch):
    path = write_image(tmp_path / "x.png", 1)
    monkeypatch.setattr(images, "LARGEST", 120)
    assert read_image(path, size=4).shape == (3, 4, 4)
    monkeypatch.setattr(images, "LARGEST", 119)
    with pytest.raises(DataError, match="10 x 12 pixels are too many"):
        read_image(path, size=4)


def test_a_sound_is_refused_above_the_limit_alone(tmp_path, monkeypatch):
    path = write_sound(tmp_path / "x.wav", 1, samples=400)
    monkeypatch.setattr(audio, "LARGEST", 400)
    assert read_audio(path, sample_rate=RATE).shape == (400,)
    monkeypatch.setattr(audio, "LARGEST", 399)
    with pytest.raises(DataError, match="400 samples in 1 channels are too many"):
        read_audio(path, sample_rate=RATE)


UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda stored: stored,
    2: np.fliplr,
    3: lambda stored: np.rot90(stored, 2),
    4: np.flipud,
    5: lambda stored: stored.transpose(1, 0, 2),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored, 2).transpose(1, 0, 2),
    8: np.rot90,
}
"""What a viewer does for each value of the EXIF tag 0x0112, after the standard (CIPA DC-008, 4.6.4)."""


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_an_image_is_turned_upright(tmp_path, orientation, suffix):
    stored, exif = picture(orientation, (6, 6, 3)), Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(tmp_path / f"x.{suffix}", exif=exif)
    upright = UPRIGHT[orientation](stored).transpose(2, 0, 1)
    np.testing.assert_array_equal(read_image(tmp_path / f"x.{suffix}", size=6), upright)


def test_an_image_is_turned_upright_whatever_else_its_tags_say(tmp_path):
    """The width, tag 0x0100, stands there as a text, which Pillow's own function stumbles over."""
    tags = [(0x0112, 3, 1, b"\6\0\0\0"), (0x0100, 2, 1, b"a\0\0\0")]
    entries = b"".join(struct.pack("<HHI4s", *tag) for tag in tags)
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + b"\0\0\0\0"
    stored = picture(0, (6, 6, 3))
    Image.fromarray(stored).save(tmp_path / "x.png", exif=exif)
    upright = np.rot90(stored, -1).transpose(2, 0, 1)
    np.testing.assert_array_equal(read_image(tmp_path / "x.png", size=6), upright)


def test_an_oblong_image_is_turned_before_its_middle_is_cut_out(tmp_path):
    stored, exif = picture(0, (4, 8, 3)), Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(stored).save(tmp_path / "x.png", exif=exif)
    upright = np.rot90(stored, -1)
    np.testing.assert_array_equal(read_image(tmp_path / "x.png", size=4), upright[2:6].transpose(2, 0, 1))


def test_grey_levels_become_equal_colours_and_the_other_way_round(tmp_path):
    grey = picture(1, (5, 5))
    Image.fromarray(grey).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(read_image(tmp_path / "grey.png", size=5), np.stack([grey] * 3))
    np.testing.assert_array_equal(read_image(tmp_path / "grey.png", size=5, channels=1), grey[None])


def test_transparency_is_laid_on_white(tmp_path):
    colours = picture(2, (5, 5, 3))
    alpha = np.where(np.eye(5, dtype=bool), 0, 255).astype(np.uint8)
    Image.fromarray(np.dstack([colours, alpha])).save(tmp_path / "alpha.png")
    shown = np.where(alpha[..., None] == 0, 255, colours)
    np.testing.assert_array_equal(read_image(tmp_path / "alpha.png", size=5), shown.transpose(2, 0, 1))


def test_a_colour_that_stands_for_transparency_is_laid_on_white(tmp_path):
    colours = picture(2, (5, 5, 3))
    Image.fromarray(colours).save(tmp_path / "key.png", transparency=tuple(map(int, colours[1, 2])))
    shown = np.where((colours == colours[1, 2]).all(axis=2)[..., None], 255, colours)
    np.testing.assert_array_equal(read_image(tmp_path / "key.png", size=5), shown.transpose(2, 0, 1))


@pytest.mark.parametrize("transparent", [False, True])
def test_a_palette_is_looked_up(tmp_path, transparent):
    palette, indices = picture(3, (4, 3)), picture(4, (5, 5)) % 4
    image = Image.frombytes("P", (5, 5), indices.tobytes())
    image.putpalette(palette.ravel().tolist())
    image.save(tmp_path / "palette.png", **({"transparency": 0} if transparent else {}))
    shown = palette[indices]
    if transparent:
        shown[indices == 0] = 255
    np.testing.assert_array_equal(read_image(tmp_path / "palette.png", size=5), shown.transpose(2, 0, 1))


def test_black_and_white_are_the_ends_of_the_scale(tmp_path):
    Image.fromarray(np.eye(5, dtype=bool)).save(tmp_path / "bits.png")
    np.testing.assert_array_equal(read_image(tmp_path / "bits.png", size=5, channels=1)[0], 255 * np.eye(5))


@pytest.mark.parametrize(
    ("subtype", "suffix", "step"),
    [
        ("PCM_U8", "wav", 2**-7),
        ("PCM_16", "wav", 2**-15),
        ("PCM_24", "wav", 2**-23),
        ("PCM_32", "wav", 2**-24),
        ("FLOAT", "wav", 2**-24),
        ("DOUBLE", "wav", 2**-24),
        ("PCM_24", "flac", 2**-23),
        ("PCM_16", "aiff", 2**-15),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_a_sound_of_odd_format_is_read(tmp_path, subtype, suffix, step, channels):
    """The mean of the channels comes back to within a step of the format."""
    waveform = np.random.default_rng(5).uniform(-0.9, 0.9, (500, channels))
    soundfile.write(tmp_path / f"x.{suffix}", waveform, RATE, subtype=subtype)
    found = read_audio(tmp_path / f"x.{suffix}", sample_rate=RATE)
    np.testing.assert_allclose(found, waveform.mean(axis=1), atol=step, rtol=0)
