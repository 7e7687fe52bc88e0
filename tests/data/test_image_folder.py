"""A folder of images, and what all kinds that read own files share: classes, splits, groups, instances."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from tests.new.own_data import (
    CLASSES,
    counts_of,
    labels_of,
    read,
    splits_of,
    write_image,
    write_images,
)
from ucmkd.data.base import load_dataset
from ucmkd.data.prepared import read_prepared, write_prepared
from ucmkd.errors import ConfigError, DataError


def test_images_come_in_one_size_and_as_bytes(tmp_path):
    _, samples = read("image_folder", tmp_path, folder=str(write_images(tmp_path / "d")), size=8)
    assert samples.inputs.shape == (30, 3, 8, 8)
    assert samples.inputs.dtype == np.uint8


def test_pixels_are_those_of_the_file(tmp_path):
    folder = write_images(tmp_path / "d")
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    Image.fromarray(pixels).save(folder / "cat" / "exact.png")
    _, samples = read("image_folder", tmp_path, folder=str(folder), size=4)
    found = samples.inputs[list(samples.ids).index("cat/exact.png")]
    np.testing.assert_array_equal(found, pixels.transpose(2, 0, 1))


def test_every_class_is_divided_by_the_fractions(tmp_path):
    folder = str(write_images(tmp_path / "d"))
    _, samples = read("image_folder", tmp_path, folder=folder, fractions=[0.5, 0.2, 0.3])
    expected = {(name, part): n for name in CLASSES for part, n in (("train", 5), ("val", 2), ("test", 3))}
    assert counts_of(samples) == expected


def test_the_split_of_the_data_is_kept(tmp_path):
    for first, part in enumerate(("Train", "valid", "TEST")):
        write_images(tmp_path / "d" / part, each=2 + first, first=100 * first)
    dataset, samples = read("image_folder", tmp_path, folder=str(tmp_path / "d"))
    names = {"Train": "train", "valid": "val", "TEST": "test"}
    assert splits_of(samples) == {name: names[name.split("/")[0]] for name in samples.ids}
    assert dataset.quirks == ("The split is that of the data.",)


def test_validation_samples_come_from_train_where_there_are_none(tmp_path):
    write_images(tmp_path / "d" / "train", each=8)
    write_images(tmp_path / "d" / "test", each=3, first=500)
    _, samples = read("image_folder", tmp_path, folder=str(tmp_path / "d"))
    assert {name for name, part in splits_of(samples).items() if part == "test"} == {
        f"test/{label}/{number:02d}.png" for label in CLASSES for number in range(3)
    }
    # 0.6 and 0.2 among themselves are three quarters and one
    assert {counts_of(samples)[name, "val"] for name in CLASSES} == {2}


def test_a_class_may_be_called_train(tmp_path):
    folder = write_images(tmp_path / "d", classes=("train", "plane"))
    assert read("image_folder", tmp_path, folder=str(folder))[1].classes == ("plane", "train")


def test_classes_are_sorted_as_people_do(tmp_path):
    folder = write_images(tmp_path / "d", classes=("10", "9", "b2", "b10", "A"), each=4)
    _, samples = read("image_folder", tmp_path, folder=str(folder))
    assert samples.classes == ("9", "10", "A", "b2", "b10")
    assert labels_of(samples) == {name: name.split("/")[0] for name in samples.ids}


def test_the_order_of_classes_can_be_told(tmp_path):
    folder = write_images(tmp_path / "d")
    _, samples = read("image_folder", tmp_path, folder=str(folder), classes=["owl", "cat", "dog"])
    assert samples.classes == ("owl", "cat", "dog")
    assert labels_of(samples)["dog/00.png"] == "dog"


def test_classes_are_renamed_merged_and_dropped(tmp_path):
    folder = write_images(tmp_path / "d", classes=("cat", "kitten", "dog", "noise"))
    _, samples = read("image_folder", tmp_path, folder=str(folder), labels={"kitten": "cat"}, drop=["noise"])
    assert samples.classes == ("cat", "dog")
    assert labels_of(samples)["kitten/03.png"] == "cat"
    assert len(samples.ids) == 30
    assert samples.skipped == {"class 'noise'": "10 samples, left out by the setting drop"}


@pytest.mark.parametrize(
    "setting", [{"labels": {"dgo": "wolf"}}, {"drop": ["dgo"]}, {"classes": ["cat", "dgo"]}]
)
def test_a_misspelt_class_is_refused_with_the_nearest(tmp_path, setting):
    folder = str(write_images(tmp_path / "d"))
    with pytest.raises(ConfigError, match=r"class 'dgo'; did you mean 'dog'\?"):
        read("image_folder", tmp_path, folder=folder, **setting)


def test_copies_stand_in_one_split(tmp_path):
    folder = write_images(tmp_path / "d", each=12)
    for label in CLASSES:
        for number in range(12):
            shutil.copy(folder / label / f"{number:02d}.png", folder / label / f"copy{number:02d}.png")
    dataset, samples = read("image_folder", tmp_path, folder=str(folder))
    home = splits_of(samples)
    for label in CLASSES:
        for number in range(12):
            assert home[f"{label}/{number:02d}.png"] == home[f"{label}/copy{number:02d}.png"]
    assert "36 samples have the content of another one" in dataset.quirks[1]


def test_groups_are_not_torn_apart(tmp_path):
    for label, name in enumerate(CLASSES):
        for speaker in range(9):
            for take in range(3):
                seed = 100 * label + 10 * speaker + take
                write_image(tmp_path / "d" / name / f"s{speaker}_{take}.png", seed)
    dataset, samples = read("image_folder", tmp_path, folder=str(tmp_path / "d"), group=r"^(s\d)_")
    homes = {(group, part) for group, part in zip(samples.groups, samples.split, strict=True)}
    assert {group for group, _ in homes} == {f"s{speaker}" for speaker in range(9)}
    assert len(homes) == 9
    assert dataset.grouped


def test_a_file_in_two_groups_makes_them_one(tmp_path):
    folder = tmp_path / "d"
    for label, name in enumerate(CLASSES):
        for person in range(8):
            write_image(folder / name / f"{name}{person}_0.png", 100 * label + person)
    shutil.copy(folder / "cat" / "cat0_0.png", folder / "cat" / "cat7_1.png")
    _, samples = read("image_folder", tmp_path, folder=str(folder), group="^([a-z]+[0-9])_")
    rows = [list(samples.ids).index(f"cat/cat{name}.png") for name in ("0_0", "7_0", "7_1")]
    assert [samples.groups[row] for row in rows] == ["cat0"] * 3
    assert len({samples.split[row] for row in rows}) == 1


def test_groups_of_one_class_each_leave_every_class_in_every_split(tmp_path):
    """Twelve patients, each of one class: drawn all together, a class would often miss a split."""
    for label, name in enumerate(CLASSES):
        for patient in range(4):
            for take in range(2):
                seed = 100 * label + 10 * patient + take
                write_image(tmp_path / "d" / name / f"{name}{patient}_{take}.png", seed)
    _, samples = read("image_folder", tmp_path, folder=str(tmp_path / "d"), group="^([a-z]+[0-9])_")
    assert len(counts_of(samples)) == 9


def test_instances_are_divided_alike_even_if_one_side_lacks_some(tmp_path):
    for side in ("left", "right"):
        for label, name in enumerate(CLASSES):
            for number in range(40):
                if side == "left" or number % 5:
                    write_image(tmp_path / side / name / f"{name}{number}_{side}.png", 1000 * label + number)
    both = [
        read("image_folder", tmp_path, folder=str(tmp_path / side), pair="^([a-z]+[0-9]+)_", instances="pets")
        for side in ("left", "right")
    ]
    homes = [dict(zip(samples.pair_ids, samples.split, strict=True)) for _, samples in both]
    assert (len(homes[0]), len(homes[1])) == (120, 96)
    assert homes[1] == {name: homes[0][name] for name in homes[1]}
    assert [dataset.instances for dataset, _ in both] == ["pets", "pets"]
    assert list(homes[0].values()).count("train") == pytest.approx(72, abs=4 * (120 * 0.6 * 0.4) ** 0.5)


def test_what_is_no_image_is_reported(tmp_path):
    folder = write_images(tmp_path / "d")
    (folder / "readme.md").write_text("about")
    (folder / "cat" / "notes.txt").write_text("about cats")
    (folder / "cat" / "more").mkdir()
    (folder / "cat" / "gone.png").symlink_to(folder / "nowhere.png")
    (folder / "cat" / ".hidden.png").write_bytes(b"")
    (folder / ".cache").mkdir()
    (folder / "loop").symlink_to(folder)
    _, samples = read("image_folder", tmp_path, folder=str(folder))
    assert len(samples.ids) == 30
    assert set(samples.skipped) == {"readme.md", "cat/notes.txt", "cat/more", "cat/gone.png", "loop"}
    assert all(samples.skipped.values())


def test_a_link_to_a_file_counts_as_the_file(tmp_path):
    folder = write_images(tmp_path / "d")
    outside = write_image(tmp_path / "elsewhere" / "x.png", 999)
    (folder / "cat" / "linked.png").symlink_to(outside)
    assert "cat/linked.png" in read("image_folder", tmp_path, folder=str(folder))[1].ids


def test_it_is_the_same_each_time_and_with_more_processes(tmp_path):
    folder = str(write_images(tmp_path / "d"))
    first, second = (
        read("image_folder", tmp_path / str(workers), workers=workers, folder=folder)[1] for workers in (1, 2)
    )
    np.testing.assert_array_equal(first.inputs, second.inputs)
    assert (first.ids, first.split) == (second.ids, second.split)


def test_it_comes_back_from_the_disk(tmp_path):
    folder = str(write_images(tmp_path / "d"))
    dataset, samples = read("image_folder", tmp_path, folder=folder, title="Pets", licence="mine")
    write_prepared(tmp_path / "stored", "pets", dataset, {})
    prepared = read_prepared(tmp_path / "stored")
    np.testing.assert_array_equal(prepared.inputs, samples.inputs)
    assert (prepared.card["title"], prepared.card["licence"]) == ("Pets", "mine")


def test_the_stamp_follows_the_files(tmp_path):
    folder = write_images(tmp_path / "d")
    dataset = load_dataset("image_folder", {"folder": str(folder)})
    stamps = [dataset.stamp()]
    os.utime(folder / "cat" / "00.png", ns=(1, 1))
    stamps.append(dataset.stamp())
    write_image(folder / "cat" / "new.png", 777)
    stamps.append(dataset.stamp())
    (folder / "cat" / "new.png").rename(folder / "cat" / "newer.png")
    stamps.append(dataset.stamp())
    assert len(set(stamps)) == 4
    assert dataset.stamp() == stamps[-1]


def test_edited_files_are_read_again(tmp_path):
    folder = write_images(tmp_path / "d")
    before = read("image_folder", tmp_path, folder=str(folder))[1].inputs[0].copy()
    write_image(folder / "cat" / "00.png", 555)
    os.utime(folder / "cat" / "00.png", ns=(1, 1))
    assert (read("image_folder", tmp_path, folder=str(folder))[1].inputs[0] != before).any()


def test_a_folder_that_is_missing_is_refused_with_the_nearest(tmp_path):
    write_images(tmp_path / "pictures")
    dataset = load_dataset("image_folder", {"folder": str(tmp_path / "picturs")})
    with pytest.raises(ConfigError, match=r"picturs: there is no such folder; did you mean '.*/pictures'"):
        dataset.stamp()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 0}, "size is 0; it must be at least 4"),
        ({"channels": 2}, "channels is 2"),
        ({"fractions": [0.5, 0.5]}, "fractions"),
        ({"fractions": [0.6, 0.2, 0.3]}, "sum 1"),
        ({"fractions": [1.0, 0.2, -0.2]}, "above 0"),
        ({"group": "("}, "not a regular expression"),
        ({"group": "[a-z]+"}, "0 groups in round brackets"),
        ({"group": "(a)(b)"}, "2 groups in round brackets"),
        ({"pair": "(a)"}, "pair and instances belong together"),
        ({"instances": "pets"}, "pair and instances belong together"),
        ({"labels": {"a": "b"}, "drop": ["a"]}, "renamed by labels and left out by drop"),
        ({"classes": ["a", "a"]}, "twice"),
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ConfigError, match=rf"datasets.image_folder: .*{message}"):
        load_dataset("image_folder", {"folder": "x", **settings})


def test_the_folder_is_needed():
    with pytest.raises(ConfigError, match="folder: is missing"):
        load_dataset("image_folder", {})


def test_a_name_without_a_group_is_refused(tmp_path):
    folder = str(write_images(tmp_path / "d"))
    with pytest.raises(DataError, match=r"cat/00\.png: its name has no part that group"):
        read("image_folder", tmp_path, folder=folder, group="^(s[0-9])_")
