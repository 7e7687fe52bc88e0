"""AVE from the unpacked archive: what is seen and heard during the event, in the official split."""

from functools import partial
from pathlib import Path

import pytest

from tests.data import media_trees
from tests.data.media_trees import AVE_CLASSES, check_colours, check_pairing, check_tones, split_of
from ucmkd.data.datasets import ave
from ucmkd.errors import ConfigError, DataError

load, source = partial(media_trees.load, "ave"), partial(media_trees.source, "ave")
TWICE = [("train", f"{AVE_CLASSES[1]}&-train_00&good&0&1"), ("train", f"{AVE_CLASSES[0]}&-train_01&good&0&2")]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight videos a class; tests must not change it."""
    folder = tmp_path_factory.mktemp("ave")
    media_trees.ave(folder)
    return folder


class TestViews:
    def test_frames_are_of_the_event_alone(self, tree: Path, tmp_path: Path) -> None:
        samples = load(tree, "video", tmp_path, frames=3)
        assert samples.inputs.shape == (24, 3, 3, 16, 16)
        assert samples.classes == AVE_CLASSES
        check_colours(samples)

    def test_sound_is_of_the_event_alone(self, tree: Path, tmp_path: Path) -> None:
        check_tones(load(tree, "audio", tmp_path))

    def test_without_the_header_the_annotations_are_the_same(self, tmp_path: Path) -> None:
        media_trees.ave(tmp_path)
        table = tmp_path / "Annotations.txt"
        before = ave.read_events(table)
        table.write_text(table.read_text().removeprefix(media_trees.AVE_HEADER + "\n"))
        assert ave.read_events(table) == before
        assert len(before) == 24

    def test_the_folder_around_it_does_as_well(self, tmp_path: Path) -> None:
        media_trees.ave(tmp_path / "AVE_Dataset")
        assert len(load(tmp_path, "video", tmp_path / "s").ids) == 24


class TestEvents:
    def test_a_video_with_two_events_gives_two_samples(self, tmp_path: Path) -> None:
        media_trees.ave(tmp_path, TWICE)
        samples = load(tmp_path, "video", tmp_path / "s")
        assert len(set(samples.ids)) == 26
        labels = {
            name: samples.classes[label] for name, label in zip(samples.ids, samples.labels, strict=True)
        }
        assert labels["-train_00:1-2:Bark"] == "Bark"
        assert labels["-train_00:0-1:Church bell"] == "Church bell"
        assert {"-train_01:1-2:Bark", "-train_01:0-2:Bark"} < set(samples.ids)

    def test_a_row_that_comes_twice_counts_once(self, tmp_path: Path) -> None:
        media_trees.ave(tmp_path, [("train", "Bark&-train_00&good&1&2")])
        assert len(load(tmp_path, "video", tmp_path / "s").ids) == 24

    def test_an_event_of_zero_length_is_reported(self, tmp_path: Path) -> None:
        media_trees.ave(tmp_path, [("train", "Bark&-train_00&good&0&0")])
        samples = load(tmp_path, "video", tmp_path / "s")
        assert samples.skipped == {"-train_00:0-0:Bark": "an event of zero length"}


class TestSplit:
    def test_it_is_the_official_one(self, tree: Path, tmp_path: Path) -> None:
        homes = split_of(load(tree, "video", tmp_path))
        assert {part: len(videos) for part, videos in homes.items()} == {"train": 12, "val": 6, "test": 6}
        assert all(video.startswith(f"-{part}_") for part, videos in homes.items() for video in videos)

    def test_a_video_of_train_and_test_is_kept_in_test_alone(self, tmp_path: Path) -> None:
        media_trees.ave(tmp_path, [("train", "Bark&-test_00&good&0&1"), ("val", "Bark&-train_00&good&0&1")])
        samples = load(tmp_path, "video", tmp_path / "s")
        homes = split_of(samples)
        assert "-test_00" in homes["test"] - homes["train"]
        assert "-train_00" in homes["val"] - homes["train"]
        assert samples.skipped == {
            "-test_00:0-1:Bark": "is in train, and -test_00 also stands in test",
            "-train_00:1-2:Bark": "is in train, and -train_00 also stands in val",
        }


class TestDamage:
    @pytest.mark.parametrize("view", ["video", "audio"])
    def test_what_cannot_be_read_is_left_out_with_its_reason(self, tmp_path: Path, view: str) -> None:
        late = [("train", "Bark&-train_00&good&7&9")]
        media_trees.ave(tmp_path, late)
        media_trees.truncate(tmp_path / "AVE/-train_01.mp4")
        (tmp_path / "AVE/-train_02.mp4").unlink()
        skipped = load(tmp_path, view, tmp_path / "s").skipped
        assert skipped.keys() == {"-train_00:7-9:Bark", "-train_01:1-2:Bark", "-train_02:1-2:Bark"}
        assert "zero length" in skipped["-train_00:7-9:Bark"]
        assert skipped["-train_01:1-2:Bark"].startswith("AVE/-train_01.mp4: cannot be decoded")
        assert skipped["-train_02:1-2:Bark"] == "no file"

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("Bark&-train_00&good&0", r"trainSet\.txt: line 13 is 'Bark&-train_00&good&0'"),
            ("Bark&-train_00&good&zero&1", "line 13 is"),
        ],
    )
    def test_lines_that_are_wrong_are_named(self, tmp_path: Path, line: str, message: str) -> None:
        media_trees.ave(tmp_path)
        with (tmp_path / "trainSet.txt").open("a") as file:
            file.write(line + "\n")
        with pytest.raises(DataError, match=message):
            source(tmp_path, "video", tmp_path / "s").load()

    def test_a_category_that_the_annotations_lack_is_refused(self, tmp_path: Path) -> None:
        media_trees.ave(tmp_path)
        with (tmp_path / "testSet.txt").open("a") as file:
            file.write("Meow&-train_00&good&0&1\n")
        with pytest.raises(DataError, match=r"category 'Meow' is not in Annotations\.txt"):
            source(tmp_path, "video", tmp_path / "s").load()

    @pytest.mark.parametrize("name", ["Annotations.txt", "trainSet.txt", "valSet.txt", "testSet.txt"])
    def test_a_missing_table_says_where_to_get_it(self, tmp_path: Path, name: str) -> None:
        media_trees.ave(tmp_path)
        (tmp_path / name).unlink()
        with pytest.raises(ConfigError, match=rf"{name}: no such file; get AVE_Dataset\.zip"):
            source(tmp_path, "video", tmp_path / "s").stamp()

    def test_the_stamp_changes_with_a_table(self, tmp_path: Path) -> None:
        media_trees.ave(tmp_path)
        before = source(tmp_path, "video", tmp_path / "s").stamp()
        with (tmp_path / "trainSet.txt").open("a") as file:
            file.write("Bark&-train_00&good&0&1\n")
        assert source(tmp_path, "video", tmp_path / "s").stamp() != before


def test_from_the_archive_to_a_trained_student(tree: Path, tmp_path: Path) -> None:
    check_pairing("ave", tree, tmp_path)
