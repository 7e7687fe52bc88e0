"""CREMA-D from the clone: frames of the flash videos, sound of the wave files, split by actor or by lists."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.data import media_trees
from tests.data.media_trees import check_colours, check_pairing, check_tones, split_of
from ucmkd.data.datasets import cremad
from ucmkd.errors import ConfigError, DataError

HOMES = cremad.by_actor([f"{actor}_DFA_ANG_XX" for actor in cremad.ACTORS])
ACTORS = {
    part: [name[:4] for name, of in HOMES.items() if of == part][:count]
    for part, count in (("train", 4), ("val", 2), ("test", 2))
}
EVERYONE = [actor for actors in ACTORS.values() for actor in actors]
load, source = partial(media_trees.load, "cremad"), partial(media_trees.source, "cremad")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight actors, some of each split; tests must not change it."""
    folder = tmp_path_factory.mktemp("cremad")
    media_trees.cremad(folder, EVERYONE)
    return folder


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """One actor of each split."""
    media_trees.cremad(tmp_path / "raw", [ACTORS[part][0] for part in ACTORS])
    return tmp_path / "raw"


class TestViews:
    def test_every_frame_has_the_colour_of_its_emotion(self, tree: Path, tmp_path: Path) -> None:
        samples = load(tree, "video", tmp_path, frames=2)
        assert samples.inputs.shape == (48, 2, 3, 16, 16)
        assert samples.classes == ("anger", "disgust", "fear", "happy", "neutral", "sad")
        check_colours(samples)

    def test_the_papers_take_two_frames(self) -> None:
        assert cremad.Settings(folder="x").shape == (2, 3, 224, 224)

    def test_every_spectrogram_has_the_tone_of_its_emotion(self, tree: Path, tmp_path: Path) -> None:
        check_tones(load(tree, "audio", tmp_path))

    def test_copies_as_mp4_are_taken_too(self, small: Path, tmp_path: Path) -> None:
        for path in (small / "VideoFlash").iterdir():
            media_trees.write_clip(
                small / "mp4" / f"{path.stem}.mp4", list(cremad.EMOTIONS).index(path.stem[9:12])
            )
            path.unlink()
        check_colours(load(small, "video", tmp_path))

    def test_the_name_that_was_misspelt_upstream_is_mended(self, small: Path, tmp_path: Path) -> None:
        name = f"{ACTORS['train'][0]}_DFA_SAD_X"
        (small / f"AudioWAV/{name}X.wav").rename(small / f"AudioWAV/{name}.wav")
        assert f"{name}X" in load(small, "audio", tmp_path).ids


class TestSplitByActor:
    def test_actors_do_not_cross_it(self, tree: Path, tmp_path: Path) -> None:
        assert split_of(load(tree, "video", tmp_path)) == {part: set(names) for part, names in ACTORS.items()}

    def test_it_divides_all_91_actors(self) -> None:
        counts = {part: list(HOMES.values()).count(part) for part in ("train", "val", "test")}
        assert sum(counts.values()) == 91
        assert counts["train"] == pytest.approx(0.7 * 91, abs=1)
        assert counts["val"] == pytest.approx(0.15 * 91, abs=1)

    def test_it_does_not_depend_on_which_clips_are_there(self) -> None:
        some = [f"{actor}_IEO_SAD_LO" for actor in cremad.ACTORS[::7]]
        assert cremad.by_actor(some) == {name: HOMES[f"{name[:4]}_DFA_ANG_XX"] for name in some}


class TestLists:
    @pytest.fixture
    def lists(self, tmp_path: Path) -> Path:
        """Lists drawn by clip: of every actor, anger to sadness but one are for training."""
        rows: dict[str, list[str]] = {"train": [], "test": []}
        for number, actor in enumerate(EVERYONE):
            for place, emotion in enumerate(cremad.EMOTIONS):
                row = f"{actor}_DFA_{emotion}_XX,{emotion}"
                rows["test" if place == number % 6 else "train"].append(row)
        folder = tmp_path / "lists"
        folder.mkdir()
        for part, lines in rows.items():
            (folder / f"{part}.csv").write_text("\n".join(lines) + "\n")
        return folder

    def test_test_is_as_listed_and_validation_is_whole_actors_of_train(
        self, tree: Path, lists: Path, tmp_path: Path
    ) -> None:
        dataset = source(tree, "video", tmp_path, lists=str(lists))
        samples = dataset.load()
        homes = dict(zip(samples.ids, samples.split, strict=True))
        listed = {
            part: {line.split(",")[0] for line in (lists / f"{part}.csv").read_text().split()}
            for part in ("train", "test")
        }
        assert {name for name, part in homes.items() if part == "test"} == listed["test"]
        assert set(homes) == listed["train"] | listed["test"]
        groups = {
            part: {name[:4] for name in listed["train"] if homes[name] == part} for part in ("train", "val")
        }
        assert groups["train"].isdisjoint(groups["val"])
        assert not dataset.grouped
        assert any("actors of the test split may stand in training" in quirk for quirk in dataset.quirks)

    def test_a_tenth_of_all_actors_is_for_validation(self, tree: Path, tmp_path: Path) -> None:
        names = [f"{actor}_DFA_ANG_XX" for actor in cremad.ACTORS]
        (tmp_path / "train.csv").write_text("".join(f"{name},ANG\n" for name in names))
        (tmp_path / "test.csv").write_text("1001_DFA_SAD_XX,SAD\n")
        dataset = source(tree, "video", tmp_path, lists=str(tmp_path))
        listed, _ = dataset.clips()
        assert sum(clip.split == "val" for clip in listed) == pytest.approx(9.1, abs=1)

    def test_what_is_listed_and_not_there_is_reported_and_the_other_way_round(
        self, tree: Path, lists: Path, tmp_path: Path
    ) -> None:
        with (lists / "train.csv").open("a") as file:
            file.write("1001_TIE_NEU_XX,NEU\n")
        rows = (lists / "test.csv").read_text().splitlines()
        (lists / "test.csv").write_text("\n".join(rows[1:]) + "\n")
        skipped = source(tree, "audio", tmp_path, lists=str(lists)).load().skipped
        assert skipped == {"1001_TIE_NEU_XX": "no file", rows[0].split(",")[0]: "stands in no list"}

    @pytest.mark.parametrize(
        ("row", "message"),
        [
            ("1001_TIE_NEU_XX,SAD", "row '1001_TIE_NEU_XX,SAD' is not a clip and its emotion"),
            ("1001_TIE_NEU_XX", "row '1001_TIE_NEU_XX' is not"),
            ("2001_TIE_NEU_XX,NEU", "row '2001"),
            ("name,label", "row 'name,label'"),
            (f"{ACTORS['train'][0]}_DFA_ANG_XX,ANG", "_DFA_ANG_XX stands in both lists"),
        ],
    )
    def test_rows_that_are_wrong_are_named(
        self, tree: Path, lists: Path, tmp_path: Path, row: str, message: str
    ) -> None:
        with (lists / "train.csv").open("a") as file:
            file.write(row + "\n")
        with pytest.raises(DataError, match=message):
            source(tree, "audio", tmp_path, lists=str(lists)).load()

    def test_a_missing_list_is_a_matter_of_configuration(self, tree: Path, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"train\.csv: no such list"):
            source(tree, "video", tmp_path, lists=str(tmp_path)).stamp()


class TestDamage:
    @pytest.mark.parametrize("view", ["video", "audio"])
    def test_what_cannot_be_read_is_left_out_of_both_views_with_its_reason(
        self, small: Path, tmp_path: Path, view: str
    ) -> None:
        media_trees.cremad(small, ACTORS["train"][1:2])
        actor = ACTORS["train"][0]
        media_trees.truncate(small / f"VideoFlash/{actor}_DFA_ANG_XX.flv")
        (small / f"AudioWAV/{actor}_DFA_DIS_XX.wav").write_text("version https://git-lfs.github.com/spec/v1")
        (small / f"AudioWAV/{actor}_DFA_FEA_XX.wav").unlink()
        media_trees.write_wav(small / f"AudioWAV/{actor}_DFA_HAP_XX.wav", np.zeros(8000, np.float32))
        samples = load(small, view, tmp_path)
        reasons: dict[str, Any] = {name[9:12]: reason for name, reason in samples.skipped.items()}
        assert {name[:4] for name in samples.skipped} == {actor}
        assert reasons.keys() == {"ANG", "DIS", "FEA", "HAP"}
        assert "cut short" in reasons["ANG"]
        assert "run 'git lfs pull'" in reasons["DIS"]
        assert reasons["FEA"] == "no file with its sound"
        assert "nothing but silence" in reasons["HAP"]

    def test_a_missing_folder_says_where_to_get_the_data(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"no such folder; clone https://github.com/Cheyney.*Git LFS"):
            source(tmp_path / "none", "video", tmp_path).stamp()


def test_from_the_clone_to_a_trained_student(tree: Path, tmp_path: Path) -> None:
    check_pairing("cremad", tree, tmp_path)
