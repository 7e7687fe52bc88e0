"""A table of numbers."""

import os

import numpy as np
import pytest

from tests.new.own_data import CLASSES, counts_of, numbers, read, splits_of, write_table
from ucmkd.data.base import load_dataset
from ucmkd.errors import ConfigError, DataError


def test_all_columns_that_have_no_other_part_are_inputs(tmp_path):
    table = [{"key": f"k{n}", **row, "deep": "-1.5e3"} for n, row in enumerate(numbers())]
    path = write_table(tmp_path / "t.csv", table)
    dataset, samples = read("table_csv", tmp_path, file=str(path), id="key")
    expected = [[float(row["height"]), float(row["width"]), -1500.0] for row in table]
    np.testing.assert_array_equal(samples.inputs, np.array(expected, dtype=np.float32))
    assert dataset.modality == "tabular"
    assert samples.classes == CLASSES
    assert counts_of(samples)["owl", "test"] == 2


def test_columns_that_are_named_are_inputs_in_that_order(tmp_path):
    path = write_table(tmp_path / "t.csv", [row | {"note": "words"} for row in numbers()])
    _, samples = read("table_csv", tmp_path, file=str(path), columns=["width", "height"])
    assert samples.inputs[3].tolist() == [3.0, np.float32(0.01)]


def test_empty_lines_are_passed_over(tmp_path):
    path = write_table(tmp_path / "t.csv", numbers())
    path.write_text(path.read_text().replace("\n", "\n\n") + "\n\n")
    assert len(read("table_csv", tmp_path, file=str(path))[1].ids) == 30


def test_rows_of_the_same_numbers_stand_in_one_split(tmp_path):
    table = numbers()
    longer = [row | {"height": row["height"] + "0"} for row in table]
    path = write_table(tmp_path / "t.csv", table + longer)
    home = splits_of(read("table_csv", tmp_path, file=str(path))[1])
    assert all(home[f"line{line}"] == home[f"line{line + 30}"] for line in range(2, 32))


def test_whole_groups_are_divided_where_they_hold_several_classes(tmp_path):
    table = [row | {"site": f"site{n // 3 % 5}"} for n, row in enumerate(numbers(20))]
    path = write_table(tmp_path / "t.csv", table)
    dataset, samples = read("table_csv", tmp_path, file=str(path), group="site")
    assert len(set(zip(samples.groups, samples.split, strict=True))) == 5
    assert dataset.quirks == ("The split is drawn by whole groups.",)


@pytest.mark.parametrize("seed", range(5))
def test_few_groups_or_instances_still_leave_every_class_in_every_split(tmp_path, seed):
    """Ten instances a class: a single draw by name leaves some class out of some split two times in three."""
    table = [row | {"site": f"site{n // 2 % 7}", "thing": f"{seed}-{n}"} for n, row in enumerate(numbers())]
    path = write_table(tmp_path / "t.csv", table)
    for settings in ({"pair": "thing", "instances": "things", "columns": ["height", "width"]},
                     {"group": "site", "columns": ["height", "width"]}):  # fmt: skip
        _, samples = read("table_csv", tmp_path, file=str(path), **settings)
        assert len(counts_of(samples)) == 9


def test_groups_that_cannot_fill_every_split_are_refused(tmp_path):
    """Cats and dogs share two groups; only owls have more."""
    table = [
        row | {"site": f"site{n if row['label'] == 'owl' else n % 2}"} for n, row in enumerate(numbers())
    ]
    path = write_table(tmp_path / "t.csv", table)
    with pytest.raises(DataError, match="class 'cat' has 2 different groups, too few for train, val, test"):
        read("table_csv", tmp_path, file=str(path), group="site")


def test_classes_that_exclude_each_other_are_refused(tmp_path):
    """Two of three splits would have one site only, and there is only one site with all classes."""
    shared = {"cat": ("a", "b", "c"), "dog": ("a", "c", "d"), "owl": ("a", "b", "d")}
    table = [row | {"site": shared[row["label"]][n // 3 % 3]} for n, row in enumerate(numbers())]
    path = write_table(tmp_path / "t.csv", table)
    with pytest.raises(
        DataError, match=r"has no (train|val|test) sample however the split is drawn by groups"
    ):
        read("table_csv", tmp_path, file=str(path), group="site", columns=["height", "width"])


def test_the_stamp_follows_the_file(tmp_path):
    path = write_table(tmp_path / "t.csv", numbers())
    dataset = load_dataset("table_csv", {"file": str(path)})
    first = dataset.stamp()
    assert dataset.stamp() == first
    os.utime(path, ns=(1, 1))
    assert dataset.stamp() != first


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"columns": ["height", "label"]}, "column 'label' is an input and has another part"),
        ({"columns": ["height", "height"]}, "names 'height' twice"),
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        load_dataset("table_csv", {"file": "x", **settings})
