"""RAVDESS from the unpacked archives: whose utterance, of which file, in which split."""

import shutil
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.data import media_trees
from tests.data.media_trees import COLOURS, TONES, check_colours, check_pairing, check_tones, split_of
from ucmkd.data.datasets import ravdess
from ucmkd.data.media import clips
from ucmkd.errors import ConfigError, DataError
from ucmkd.settings import build

ACTORS = (1, 2, 17, 18, 21, 22)
load, source = partial(media_trees.load, "ravdess"), partial(media_trees.source, "ravdess")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six actors, two of each split; tests must not change it."""
    folder = tmp_path_factory.mktemp("ravdess")
    media_trees.ravdess(folder, ACTORS)
    return folder


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Three actors, one of each split, in one emotion."""
    media_trees.ravdess(tmp_path / "raw", (1, 17, 21), (3,))
    return tmp_path / "raw"


def one(folder: Path, view: str, scratch: Path, **changes: Any) -> Any:
    """Load a tree that lacks most classes, so that it would not pass validation."""
    return source(folder, view, scratch, **changes).load()


class TestUtterances:
    def test_there_are_1440_sixty_an_actor(self) -> None:
        assert len(set(ravdess.UTTERANCES)) == 1440
        assert set(Counter(name[-2:] for name in ravdess.UTTERANCES).values()) == {60}

    def test_neutral_has_no_strong_intensity(self) -> None:
        emotions = Counter(name[3:5] for name in ravdess.UTTERANCES)
        assert emotions == {"01": 96} | {f"0{number}": 192 for number in range(2, 9)}


class TestViews:
    def test_every_frame_has_the_colour_of_its_emotion(self, tree: Path, tmp_path: Path) -> None:
        samples = load(tree, "video", tmp_path)
        assert samples.inputs.shape == (len(ACTORS) * 8, 3, 16, 16)
        assert [name[3:5] for name in samples.ids] == [f"0{label + 1}" for label in samples.labels]
        check_colours(samples)

    def test_every_spectrogram_has_the_tone_of_its_emotion(self, tree: Path, tmp_path: Path) -> None:
        samples = load(tree, "audio", tmp_path)
        assert samples.inputs.shape == (len(ACTORS) * 8, 1, 16, 16)
        check_tones(samples)

    def test_both_views_hold_the_same_utterances(self, tree: Path, tmp_path: Path) -> None:
        video, audio = (load(tree, view, tmp_path) for view in ("video", "audio"))
        assert video.ids == audio.ids == video.pair_ids == audio.pair_ids

    def test_the_silent_video_and_the_sound_file_come_first(self, small: Path, tmp_path: Path) -> None:
        media_trees.write_clip(small / "Actor_01/02-01-03-01-01-01-01.mp4", 7, with_sound=False)
        media_trees.write_wav(small / "Actor_01/03-01-03-01-01-01-01.wav", media_trees.tone(TONES[7]))
        video, audio = (one(small, view, tmp_path) for view in ("video", "audio"))
        np.testing.assert_allclose(video.inputs[0].mean(axis=(1, 2)), COLOURS[7], atol=6)
        assert audio.inputs[0].mean(axis=(0, 2)).argmax() != audio.inputs[1].mean(axis=(0, 2)).argmax()

    def test_without_them_the_video_with_sound_serves_both_views(self, small: Path, tmp_path: Path) -> None:
        before = [one(small, view, tmp_path / "a") for view in ("video", "audio")]
        (small / "Actor_01/02-01-03-01-01-01-01.mp4").unlink()
        (small / "Actor_01/03-01-03-01-01-01-01.wav").unlink()
        after = [one(small, view, tmp_path / "b") for view in ("video", "audio")]
        np.testing.assert_allclose(after[0].inputs[0].mean(axis=(1, 2)), COLOURS[2], atol=6)
        assert after[1].ids == before[1].ids
        loud = [samples.inputs[0].mean(axis=(0, 2)).argmax() for samples in (before[1], after[1])]
        assert loud[0] == loud[1]

    def test_song_is_left_out(self, small: Path, tmp_path: Path) -> None:
        shutil.copy(small / "Actor_01/03-01-03-01-01-01-01.wav", small / "Actor_01/03-02-03-01-01-01-01.wav")
        assert len(one(small, "audio", tmp_path, both=False).ids) == 3


class TestSplit:
    def test_actors_do_not_cross_it(self, tree: Path, tmp_path: Path) -> None:
        assert split_of(load(tree, "video", tmp_path)) == {
            "train": {"actor01", "actor02"},
            "val": {"actor17", "actor18"},
            "test": {"actor21", "actor22"},
        }

    def test_by_default_every_actor_has_a_place_and_the_sexes_are_even(self) -> None:
        settings = ravdess.Settings(folder="x")
        parts = [settings.train_actors, settings.val_actors, settings.test_actors]
        assert sorted(sum(parts, ())) == list(range(1, 25))
        assert all(sum(actor % 2 for actor in part) * 2 == len(part) for part in parts)

    def test_actors_can_be_chosen(self, tree: Path, tmp_path: Path) -> None:
        chosen = {"train_actors": [21], "val_actors": [1], "test_actors": [2, 17]}
        samples = load(tree, "video", tmp_path, **chosen)
        assert split_of(samples) == {
            "train": {"actor21"},
            "val": {"actor01"},
            "test": {"actor02", "actor17"},
        }

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"val_actors": [1]}, "actor 1 is named twice"),
            ({"val_actors": [25]}, "there is no actor 25"),
            ({"test_actors": []}, "test_actors is empty"),
        ],
    )
    def test_choices_that_leak_or_are_empty_are_refused(self, changes: dict[str, Any], message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            build(ravdess.Settings, {"folder": "x"} | changes, "datasets.ravdess")


class TestLists:
    @pytest.fixture
    def lists(self, tmp_path: Path) -> Path:
        """Lists as the papers' releases have them, with actor 1 in two splits 18 and 22 in none."""
        homes: dict[str, list[str]] = {"spa_dl": [], "spa_val": [], "spa_test": []}
        for actor, part in ((1, "spa_dl"), (2, "spa_dl"), (17, "spa_val"), (21, "spa_test")):
            for emotion in range(1, 9):
                home = "spa_test" if (actor, emotion) == (1, 8) else part
                name = f"01-0{emotion}-01-01-01-{actor:02d}"
                homes[home] += [f"03-{name}.npy,01-{name}_{frame}.jpg,{emotion}" for frame in (0, 1)]
        (tmp_path / "lists").mkdir()
        for home, lines in homes.items():
            (tmp_path / "lists" / f"{home}.csv").write_text("\n".join(lines) + "\n")
        return tmp_path / "lists"

    def test_they_replace_the_split_by_actor_and_say_so(
        self, tree: Path, lists: Path, tmp_path: Path
    ) -> None:
        dataset = source(tree, "video", tmp_path, lists=str(lists))
        samples = load(tree, "video", tmp_path, lists=str(lists))
        assert (len(samples.ids), dataset.grouped) == (32, False)
        assert "not known to be by actor" in dataset.quirks[0]
        homes = dict(zip(samples.ids, samples.split, strict=True))
        assert (homes["01-07-01-01-01-01"], homes["01-08-01-01-01-01"]) == ("train", "test")
        assert samples.skipped["01-01-01-01-01-18"] == "stands in no list"

    def test_a_listed_utterance_without_file_is_reported(
        self, tree: Path, lists: Path, tmp_path: Path
    ) -> None:
        with (lists / "spa_dl.csv").open("a") as file:
            file.write("03-01-01-01-02-01-24.npy\n03-02-01-01-01-01-01.npy\n")
        skipped = load(tree, "video", tmp_path, lists=str(lists)).skipped
        assert skipped["01-01-01-02-01-24"] == "no file"
        assert skipped["02-01-01-01-01-01"] == "is no utterance of speech"

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("03-01-01-01-01-01-17.npy", "01-01-01-01-01-17 also stands in the list for train"),
            ("nonsense.npy", "line 17 names 0 utterances"),
            ("03-01-01-01-01-01-02.npy,01-01-02-01-01-01-02.jpg", "line 17 names 2 utterances"),
        ],
    )
    def test_what_is_wrong_is_named(
        self, tree: Path, lists: Path, tmp_path: Path, line: str, message: str
    ) -> None:
        path = lists / ("spa_val.csv" if "names" in message else "spa_dl.csv")
        with path.open("a") as file:
            file.write(line + "\n")
        with pytest.raises(DataError, match=message):
            load(tree, "video", tmp_path, lists=str(lists))

    def test_a_missing_list_is_a_matter_of_configuration(
        self, tree: Path, lists: Path, tmp_path: Path
    ) -> None:
        (lists / "spa_val.csv").unlink()
        with pytest.raises(ConfigError, match=r"val\.csv: no such list"):
            source(tree, "video", tmp_path, lists=str(lists)).stamp()


class TestDamage:
    def test_what_cannot_be_read_is_left_out_of_both_views_with_its_reason(
        self, small: Path, tmp_path: Path
    ) -> None:
        media_trees.ravdess(small, (3, 5), (3,))
        media_trees.truncate(small / "Actor_01/02-01-03-01-01-01-01.mp4")
        media_trees.truncate(small / "Actor_03/03-01-03-01-01-01-03.wav")
        for name in ("01", "03"):
            (small / f"Actor_05/{name}-01-03-01-01-01-05.{'mp4' if name == '01' else 'wav'}").unlink()
        for view in ("video", "audio"):
            samples = one(small, view, tmp_path)
            assert samples.ids == ["01-03-01-01-01-17", "01-03-01-01-01-21"]
            reasons = [samples.skipped[f"01-03-01-01-01-{actor}"] for actor in ("01", "03", "05", "07")]
            assert reasons[0].startswith(
                "Actor_01/02-01-03-01-01-01-01.mp4: has no picture that can be decoded"
            )
            assert reasons[1].startswith("Actor_03/03-01-03-01-01-01-03.wav: is cut short")
            assert reasons[2:] == ["no file with its sound", "no file"]

    def test_a_view_alone_asks_for_its_own_files_only(self, small: Path, tmp_path: Path) -> None:
        for path in small.rglob("*.mp4"):
            path.unlink()
        assert len(one(small, "audio", tmp_path, both=False).ids) == 3
        with pytest.raises(
            DataError, match=r"none of 1440 clips is there \(no file, no file with its picture\); where only"
        ):
            one(small, "audio", tmp_path)


class TestConfiguration:
    def test_a_missing_folder_says_where_to_get_the_data(self, tmp_path: Path) -> None:
        with pytest.raises(
            ConfigError, match=r"no such folder; get RAVDESS from https://zenodo.*Actor_01/02-"
        ):
            source(tmp_path / "none", "video", tmp_path).stamp()

    def test_a_folder_without_media_says_so(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="holds no video and no sound; get RAVDESS"):
            source(tmp_path, "video", tmp_path).stamp()

    def test_the_stamp_changes_with_the_files(self, small: Path, tmp_path: Path) -> None:
        before = source(small, "video", tmp_path).stamp()
        assert source(small, "video", tmp_path).stamp() == before
        next(small.rglob("*.mp4")).unlink()
        assert source(small, "video", tmp_path).stamp() != before

    def test_bands_that_fit_no_window_are_not_blamed_on_the_clips(self, small: Path, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="500 bands are too narrow"):
            one(small, "audio", tmp_path, bands=500)


class TestExtraction:
    def test_an_interrupted_one_goes_on_where_it_stopped(
        self, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        read: list[str] = []

        def counting(address: str, **how: Any) -> np.ndarray:
            if len(read) == 20:
                raise KeyboardInterrupt
            read.append(address)
            return original(address, **how)

        original = clips.read_view
        whole = load(tree, "video", tmp_path / "whole", both=False)
        monkeypatch.setattr(clips, "read_view", counting)
        with pytest.raises(KeyboardInterrupt):
            load(tree, "video", tmp_path / "s", both=False)
        first = list(read)
        read.clear()
        with pytest.raises(KeyboardInterrupt):
            load(tree, "video", tmp_path / "s", both=False)
        assert set(read[:16]).isdisjoint(first[:16])
        read.clear()
        assert load(tree, "video", tmp_path / "s", both=False).inputs.tobytes() == whole.inputs.tobytes()
        assert len(read) == len(whole.ids) - 2 * 16

    def test_two_workers_give_the_same_bytes_as_one(self, tree: Path, tmp_path: Path) -> None:
        dataset = source(tree, "video", tmp_path / "two", both=False)
        dataset.workspace = clips.Workspace(scratch=tmp_path / "two", workers=2)
        one_worker = load(tree, "video", tmp_path / "one", both=False)
        assert dataset.load().inputs.tobytes() == one_worker.inputs.tobytes()


def test_from_the_archives_to_a_trained_student(tmp_path: Path) -> None:
    media_trees.ravdess(tmp_path / "raw", (1, 2, 3, 4, 17, 18, 21, 22))
    check_pairing("ravdess", tmp_path / "raw", tmp_path)
