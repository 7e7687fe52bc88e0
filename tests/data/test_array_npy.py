"""Arrays in .npy files."""

import os

import numpy as np
import pytest

from tests.new.own_data import labels_of, read, splits_of, write_table
from ucmkd.data.base import load_dataset
from ucmkd.errors import ConfigError

LABELS = np.tile([5, 10, 3], 10)


def save(tmp_path, inputs, labels=LABELS):
    np.save(tmp_path / "x.npy", inputs)
    np.save(tmp_path / "y.npy", labels)
    return {"inputs": str(tmp_path / "x.npy"), "labels_file": str(tmp_path / "y.npy")}


def draw(*shape, dtype="float32"):
    return np.random.default_rng(0).integers(1, 200, (30, *shape)).astype(dtype)


@pytest.mark.parametrize(
    ("modality", "inputs", "stored"),
    [
        ("image", draw(3, 8, 8, dtype="uint8"), "uint8"),
        ("image", draw(1, 8, 8, dtype="float64"), "float32"),
        ("audio", draw(1, 8, 6), "float32"),
        ("tabular", draw(4, dtype="int64"), "float32"),
        ("sequence", draw(2, 20, dtype="float16"), "float32"),
        ("text", draw(7, dtype="int64"), "int32"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_inputs_come_as_they_are(tmp_path, modality, inputs, stored):
    dataset, samples = read("array_npy", tmp_path, **save(tmp_path, inputs), modality=modality)
    np.testing.assert_array_equal(samples.inputs, inputs)
    assert (dataset.modality, samples.inputs.dtype.name) == (modality, stored)


def test_labels_are_numbers_sorted_as_such_whatever_their_order(tmp_path):
    _, samples = read("array_npy", tmp_path, **save(tmp_path, draw(4)), modality="tabular")
    assert samples.classes == ("3", "5", "10")
    assert list(labels_of(samples).values()) == [str(label) for label in LABELS]


def test_names_may_stand_in_a_text(tmp_path):
    names = np.array(["a", "b", "c"])[np.arange(30) % 3]
    (tmp_path / "y.txt").write_text("\n".join(names) + "\n")
    settings = save(tmp_path, draw(4)) | {"labels_file": str(tmp_path / "y.txt")}
    _, samples = read("array_npy", tmp_path, **settings, modality="tabular")
    assert list(labels_of(samples).values()) == names.tolist()


def test_a_table_of_labels_may_say_more(tmp_path):
    parts = ["train", "val", "test", "train", "val"]
    table = [{"label": f"c{n % 2}", "part": parts[n // 2 % 5], "who": f"p{n // 2 % 5}", "key": f"s{n}",
              "shown": f"i{n}"} for n in range(30)]  # fmt: skip
    labels = write_table(tmp_path / "y.csv", table)
    settings = save(tmp_path, draw(4)) | {"labels_file": str(labels), "modality": "tabular"}
    dataset, samples = read("array_npy", tmp_path, **settings, split="part", group="who", id="key",
                            pair="shown", instances="shown")  # fmt: skip
    assert splits_of(samples) == {f"s{n}": parts[n // 2 % 5] for n in range(30)}
    assert samples.pair_ids[29] == "i29"
    assert dataset.grouped


def test_rows_of_dropped_classes_are_left_out(tmp_path):
    inputs = draw(4)
    _, samples = read("array_npy", tmp_path, **save(tmp_path, inputs), modality="tabular", drop=["10"])
    np.testing.assert_array_equal(samples.inputs, inputs[LABELS != 10])
    assert list(samples.skipped) == ["class '10'"]


def test_the_stamp_follows_both_files(tmp_path):
    dataset = load_dataset("array_npy", save(tmp_path, draw(4)) | {"modality": "tabular"})
    stamps = {dataset.stamp()}
    for name in ("x.npy", "y.npy"):
        os.utime(tmp_path / name, ns=(1, 1))
        stamps.add(dataset.stamp())
    assert len(stamps) == 3


def test_columns_need_a_table():
    with pytest.raises(ConfigError, match=r"split names a column, and 'y\.npy' has none"):
        load_dataset("array_npy", {"inputs": "x", "labels_file": "y.npy", "modality": "image", "split": "s"})


def test_an_unknown_modality_is_refused():
    with pytest.raises(ConfigError, match="'video' is not one of image, audio"):
        load_dataset("array_npy", {"inputs": "x", "labels_file": "y", "modality": "video"})
