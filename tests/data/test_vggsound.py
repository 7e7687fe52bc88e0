"""VGGSound from its table and a folder of clips, of which many are missing."""

from functools import partial
from pathlib import Path

import pytest

from tests.data import media_trees
from tests.data.media_trees import (
    COLOURS,
    TONES,
    VGG_CLASSES,
    check_colours,
    check_pairing,
    check_tones,
    split_of,
)
from ucmkd.data.datasets import vggsound
from ucmkd.errors import ConfigError, DataError

load, source = partial(media_trees.load, "vggsound"), partial(media_trees.source, "vggsound")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of twelve clips; tests must not change it."""
    folder = tmp_path_factory.mktemp("vggsound")
    media_trees.vggsound(folder)
    return folder


@pytest.fixture
def subset(tmp_path: Path) -> Path:
    """A list of two of the classes, in an order of its own."""
    (tmp_path / "classes.txt").write_text(f"{VGG_CLASSES[2]}\n{VGG_CLASSES[1]}\n\n")
    return tmp_path / "classes.txt"


class TestViews:
    def test_every_frame_has_the_colour_of_its_class(self, tree: Path, tmp_path: Path) -> None:
        samples = load(tree, "video", tmp_path, frames=3)
        assert samples.inputs.shape == (36, 3, 3, 16, 16)
        assert samples.classes == VGG_CLASSES
        check_colours(samples)

    def test_the_papers_take_three_frames(self) -> None:
        assert vggsound.Settings(folder="x").shape == (3, 3, 224, 224)

    def test_every_spectrogram_has_the_tone_of_its_class(self, tree: Path, tmp_path: Path) -> None:
        check_tones(load(tree, "audio", tmp_path))

    def test_clips_are_named_by_video_and_start_in_six_digits(self, tree: Path, tmp_path: Path) -> None:
        samples = load(tree, "video", tmp_path)
        assert samples.ids[1] == "--tr0_001_000030"
        assert samples.groups[1] == "--tr0_001"
        assert samples.pair_ids == samples.ids

    def test_only_the_folder_that_is_named_is_searched(self, tree: Path, tmp_path: Path) -> None:
        samples = source(tree, "video", tmp_path, videos="video/test").load()
        assert set(samples.split) == {"test"}
        with pytest.raises(ConfigError, match="no such folder; correct the setting 'videos'"):
            source(tree, "video", tmp_path, videos="clips").load()


class TestClasses:
    def test_a_list_keeps_some_in_its_own_order(self, tree: Path, tmp_path: Path, subset: Path) -> None:
        samples = load(tree, "video", tmp_path, classes=str(subset))
        assert samples.classes == (VGG_CLASSES[2], VGG_CLASSES[1])
        assert (len(samples.ids), samples.skipped) == (24, {})
        check_colours(samples, (COLOURS[2], COLOURS[1]))
        check_tones(load(tree, "audio", tmp_path, classes=str(subset)), (TONES[2], TONES[1]))

    def test_the_split_of_a_clip_does_not_depend_on_it(
        self, tree: Path, tmp_path: Path, subset: Path
    ) -> None:
        whole, part = load(tree, "video", tmp_path), load(tree, "video", tmp_path, classes=str(subset))
        homes = dict(zip(whole.ids, whole.split, strict=True))
        assert all(homes[name] == split for name, split in zip(part.ids, part.split, strict=True))

    @pytest.mark.parametrize(
        ("text", "message"),
        [("yodelling\n", "class 'yodelling' is not in vggsound.csv"), ("\n", "names no class")],
    )
    def test_a_list_that_fits_no_table_is_refused(
        self, tree: Path, tmp_path: Path, text: str, message: str
    ) -> None:
        (tmp_path / "classes.txt").write_text(text)
        with pytest.raises(DataError, match=message):
            source(tree, "video", tmp_path, classes=str(tmp_path / "classes.txt")).load()

    def test_a_list_that_is_missing_is_a_matter_of_configuration(self, tree: Path, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="no such list of classes"):
            source(tree, "video", tmp_path, classes=str(tmp_path / "none.txt")).stamp()


class TestSplit:
    def test_test_is_official_and_a_tenth_of_every_class_is_for_validation(
        self, tree: Path, tmp_path: Path
    ) -> None:
        samples = load(tree, "video", tmp_path)
        homes = split_of(samples)
        assert homes["test"] == {f"--te{label}_{number:03d}" for label in range(3) for number in range(2)}
        assert sorted(video[4] for video in homes["val"]) == ["0", "1", "2"]
        assert len(homes["train"]) == 27

    def test_clips_that_are_missing_do_not_move_others(self, tree: Path, tmp_path: Path) -> None:
        whole = load(tree, "video", tmp_path / "s")
        gone = [name for name, part in zip(whole.ids, whole.split, strict=True) if part == "train"][::3]
        media_trees.vggsound(tmp_path / "raw", missing=gone)
        left = load(tmp_path / "raw", "video", tmp_path / "s")
        assert left.skipped == dict.fromkeys(gone, "no file")
        homes = dict(zip(whole.ids, whole.split, strict=True))
        assert {name: homes[name] for name in left.ids} == dict(zip(left.ids, left.split, strict=True))

    def test_a_video_of_train_and_test_is_kept_in_test_alone(self, tree: Path, tmp_path: Path) -> None:
        media_trees.vggsound(tmp_path)
        with (tmp_path / "vggsound.csv").open("a") as file:
            file.write("--te0_000,500,airplane,train\n")
        samples = load(tmp_path, "video", tmp_path / "s")
        assert "--te0_000" not in split_of(samples)["train"] | split_of(samples)["val"]
        assert list(samples.skipped) == ["--te0_000_000500"]


class TestDamage:
    @pytest.mark.parametrize("view", ["video", "audio"])
    def test_what_cannot_be_read_is_left_out_with_its_reason(self, tmp_path: Path, view: str) -> None:
        media_trees.vggsound(tmp_path)
        gone, torn, mute = ("--te0_000_000000", "--te1_000_000000", "--te2_000_000000")
        (tmp_path / f"video/test/{gone}.mp4").unlink()
        media_trees.truncate(tmp_path / f"video/test/{torn}.mp4")
        media_trees.write_clip(tmp_path / f"video/test/{mute}.mp4", 2, with_sound=False)
        skipped = load(tmp_path, view, tmp_path / "s").skipped
        assert skipped == {
            gone: "no file",
            torn: f"video/test/{torn}.mp4: cannot be decoded (Invalid data found when processing input)",
            mute: f"video/test/{mute}.mp4: has no sound that can be decoded",
        }

    @pytest.mark.parametrize(
        "row",
        [
            "abc,3,airplane",
            "abc,three,airplane,train",
            "abc,3,airplane,val",
            "--tr0_000,0,airplane,train",
            "YouTube ID,start seconds,label,split",
        ],
    )
    def test_rows_that_are_wrong_are_named(self, tmp_path: Path, row: str) -> None:
        media_trees.vggsound(tmp_path)
        with (tmp_path / "vggsound.csv").open("a") as file:
            file.write(row + "\n")
        with pytest.raises(DataError, match=f"vggsound.csv: row '{row}' is not youtube id, start, class"):
            source(tmp_path, "video", tmp_path / "s").load()

    def test_a_class_too_small_for_validation_is_named(self, tmp_path: Path) -> None:
        media_trees.vggsound(tmp_path)
        with (tmp_path / "vggsound.csv").open("a") as file:
            file.write("abc,3,yodelling,train\n")
        with pytest.raises(DataError, match="class yodelling has 1 samples, too few"):
            source(tmp_path, "video", tmp_path / "s").load()

    def test_a_missing_table_says_where_to_get_it(self, tmp_path: Path) -> None:
        media_trees.write_clip(tmp_path / "video/a_000000.mp4", 0)
        with pytest.raises(ConfigError, match=r"vggsound\.csv: no such file; get vggsound\.csv from https"):
            source(tmp_path, "video", tmp_path / "s").stamp()


def test_from_the_clips_to_a_trained_student(tree: Path, tmp_path: Path) -> None:
    check_pairing("vggsound", tree, tmp_path)
