"""The public data sets: what is read is what imitations hold, and the real archives hold what they should.

The real archives are read where UCMKD_DATA_MIRROR names a folder of them.
"""

import gzip
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.data.conftest import Loader, with_real_data
from tests.data.imitations import (
    SIDEWAYS,
    SIGNERS,
    cells,
    fsdd_tone,
    hand,
    idx,
    imitate,
    mat,
    mfeat_arrays,
    mnist_arrays,
    rosmap_arrays,
    store,
    table,
    wav,
    wikipedia_arrays,
)
from ucmkd.data.audio import spectrogram
from ucmkd.data.base import Samples, Workspace, load_dataset
from ucmkd.data.datasets import fsdd, mnist, signdigits
from ucmkd.data.datasets.handwritten_digits import DIGITS
from ucmkd.data.upstream import fetch
from ucmkd.errors import ConfigError, DataError

VIEWS = ("pix", "fou", "fac", "zer", "kar", "mor")
IDX = idx(np.zeros((2, 3, 3), np.uint8))
Real = Callable[..., tuple[Any, Samples]]


@pytest.fixture
def workspace(tmp_path: Path) -> Callable[[str], Workspace]:
    """Fetch an imitation into a folder of the test's own."""

    def fetched(kind: str) -> Workspace:
        imitation = imitate(kind, tmp_path)
        fetch(imitation.upstream, tmp_path / "downloads" / kind, imitation.mirror)
        return Workspace(downloads=tmp_path / "downloads")

    return fetched


def counts(samples: Samples) -> list[int]:
    """Count the samples of the three splits."""
    return [list(samples.split).count(part) for part in ("train", "val", "test")]


def parts(samples: Samples) -> dict[str, set[str]]:
    """Collect the groups of each split."""
    split, groups = np.asarray(samples.split), np.asarray(samples.groups)
    return {part: set(groups[split == part].tolist()) for part in ("train", "val", "test")}


@pytest.mark.parametrize("kind", ["mnist", "fsdd", "signdigits", "mfeat"])
def test_all_digits_have_the_same_classes(kind: str, given: Loader) -> None:
    assert given(kind)[1].classes == DIGITS


class TestMnist:
    def test_images_and_labels_are_those_of_the_files(self, given: Loader) -> None:
        images, labels = mnist_arrays()
        np.testing.assert_array_equal(given("mnist")[1].inputs[:, 0], images)
        np.testing.assert_array_equal(given("mnist")[1].labels, labels)

    def test_every_split_takes_from_both_halves(self, given: Loader) -> None:
        halves = np.array_split(np.asarray(given("mnist")[1].split), 2)
        for part in ("train", "val", "test"):
            here, there = ((half == part).sum() for half in halves)
            assert min(here, there) > 0.2 * (here + there)

    @pytest.mark.parametrize(
        ("packed", "message"),
        [
            pytest.param(b"no archive", "not a packed IDX file", id="unpacked"),
            pytest.param(gzip.compress(IDX)[:-9], "not a packed IDX file", id="cut short"),
            pytest.param(gzip.compress(IDX[:15]), "not a packed IDX file", id="without a whole header"),
            pytest.param(gzip.compress(idx(np.zeros(18, np.uint8))), "number 2049 .* 2051", id="a list"),
            pytest.param(gzip.compress(b"\0\0\x0d" + IDX[3:]), "number 3331 .* 2051", id="floats"),
            pytest.param(gzip.compress(IDX[:-1]), "17 bytes .* 18", id="a byte too few"),
            pytest.param(gzip.compress(IDX + b"\0"), "19 bytes .* 18", id="a byte too many"),
        ],
    )
    def test_a_damaged_file_is_refused(self, packed: bytes, message: str, tmp_path: Path) -> None:
        store(tmp_path, {"images.gz": packed})
        with pytest.raises(DataError, match=f"images.gz: .*{message}.*run again"):
            mnist.read_idx(tmp_path / "images.gz", dimensions=3)


class TestFsdd:
    def test_label_and_speaker_are_those_of_the_name(self, given: Loader) -> None:
        samples = given("fsdd")[1]
        assert len(samples.ids) == 10 * 6 * 3
        for name, label, speaker in zip(samples.ids, samples.labels, samples.groups, strict=True):
            assert name.split("_")[:2] == [str(label), speaker]

    def test_a_picture_is_the_spectrogram_at_mean_power_one(self, given: Loader) -> None:
        samples = given("fsdd")[1]
        tone = fsdd_tone(4, "theo", 1).astype(np.float64)
        level = (tone / np.sqrt((tone**2).mean())).astype(np.float32)
        expected = spectrogram(level, sample_rate=8000, window=256, bands=32, frames=32)
        found = samples.inputs[samples.ids.index("4_theo_1")]
        np.testing.assert_allclose(found, expected, atol=1e-3)

    @pytest.mark.parametrize(
        ("values", "test", "val"),
        [
            ({}, "george", "jackson"),
            ({"test_speaker": "nicolas"}, "nicolas", "theo"),
            ({"test_speaker": "yweweler"}, "yweweler", "george"),
            ({"test_speaker": "theo", "val_speaker": "lucas"}, "theo", "lucas"),
        ],
    )
    def test_one_speaker_is_tested_and_one_validates(
        self, values: dict[str, str], test: str, val: str, given: Loader
    ) -> None:
        workspace = given("fsdd")[0].workspace
        found = parts(load_dataset("fsdd", values, workspace=workspace).load())
        assert found == {"train": set(fsdd.SPEAKERS) - {test, val}, "val": {val}, "test": {test}}

    def test_pictures_have_the_size_of_the_settings(self, given: Loader) -> None:
        values = {"bands": 12, "frames": 20, "window": 128}
        samples = load_dataset("fsdd", values, workspace=given("fsdd")[0].workspace).load()
        assert samples.inputs.shape[1:] == (1, 12, 20)

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"test_speaker": "nobody"}, "'nobody' is not one of george"),
            (
                {"test_speaker": "theo", "val_speaker": "theo"},
                "val_speaker is theo, who is also",
            ),
            ({"bands": 0}, "bands is 0"),
            ({"frames": -1}, "frames is -1"),
            ({"window": 0}, "window is 0"),
        ],
    )
    def test_settings_that_make_no_dataset_are_refused(self, values: dict[str, Any], message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            load_dataset("fsdd", values)

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("3_nobody_0.wav", wav(np.ones(2000, "<i2")), "is not named DIGIT_SPEAKER_NUMBER.wav"),
            ("12_theo_0.wav", wav(np.ones(2000, "<i2")), "is not named DIGIT_SPEAKER_NUMBER.wav"),
            ("3_theo_9.wav", wav(np.zeros(2000, "<i2")), "is silent"),
            ("3_theo_9.wav", b"RIFF", "not a readable sound file"),
        ],
    )
    def test_a_recording_that_is_none_is_refused(
        self, name: str, content: bytes, message: str, workspace: Callable[[str], Workspace]
    ) -> None:
        place = workspace("fsdd")
        store(place.downloads / "fsdd/recordings", {name: content})
        with pytest.raises(DataError, match=f"{name}: {message}"):
            load_dataset("fsdd", workspace=place).load()


class TestSigndigits:
    def test_a_photograph_on_its_side_is_turned_and_scaled(self, given: Loader) -> None:
        samples = given("signdigits")[1]
        row = samples.ids.index(f"IMG_{SIDEWAYS}")
        expected = np.asarray(hand(7).resize((32, 32), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
        assert samples.labels[row] == 7
        assert np.abs(samples.inputs[row].astype(int) - expected).mean() < 15  # the shade is below 20

    def test_images_have_the_size_of_the_settings(self, given: Loader) -> None:
        samples = load_dataset("signdigits", {"size": 8}, workspace=given("signdigits")[0].workspace).load()
        assert samples.inputs.shape == (10 * SIGNERS, 3, 8, 8)

    @pytest.mark.parametrize("block", [1, 10, 25])
    def test_a_signer_stays_in_one_block(self, block: int, given: Loader) -> None:
        workspace = given("signdigits")[0].workspace
        samples = load_dataset("signdigits", {"block": block}, workspace=workspace).load()
        groups = np.asarray(samples.groups).reshape(SIGNERS, 10)
        assert (groups == groups[:, :1]).all()
        sizes = [samples.groups.count(group) for group in dict.fromkeys(samples.groups)]
        assert min(sizes[:-1]) >= block  # the last has what is left
        assert max(sizes) < block + 10

    def test_blocks_end_where_the_digits_start_again(self) -> None:
        #         signer     one lacks 9, two in the wrong order   starts at 4    twice the same
        digits = [*range(10), 0, 1, 2, 4, 3, 5, 6, 7, 8, *range(4, 10), 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9]
        numbers = [100 + 2 * row for row in range(len(digits))]
        found = signdigits.blocks(numbers, digits, at_least=1)
        assert list(dict.fromkeys(found)) == ["from100", "from120", "from138", "from150"]
        assert found == sorted(found)

    @pytest.mark.parametrize("name", ["IMG_12.png", "12.JPG", "IMG_1.JPG.JPG"])
    def test_a_file_that_is_no_photograph_is_refused(
        self, name: str, workspace: Callable[[str], Workspace]
    ) -> None:
        place = workspace("signdigits")
        store(place.downloads / "signdigits/Dataset/3", {name: b""})
        with pytest.raises(DataError, match=f"3/{name}: is not named DIGIT/IMG_NUMBER.JPG"):
            load_dataset("signdigits", workspace=place).load()

    def test_blocks_too_long_to_be_divided_are_refused(self, given: Loader) -> None:
        dataset = load_dataset("signdigits", {"block": 200}, workspace=given("signdigits")[0].workspace)
        with pytest.raises(DataError, match="2 groups cannot fill 3 splits"):
            dataset.load()

    @pytest.mark.parametrize("values", [{"size": 0}, {"block": 0}])
    def test_settings_that_make_no_dataset_are_refused(self, values: dict[str, Any]) -> None:
        with pytest.raises(ConfigError, match="it must be at least 1"):
            load_dataset("signdigits", values)


class TestMfeat:
    @pytest.mark.parametrize("view", VIEWS)
    def test_a_view_is_that_of_the_file(self, view: str, given: Loader) -> None:
        views, digits = mfeat_arrays()
        samples = load_dataset("mfeat", {"view": view}, workspace=given("mfeat")[0].workspace).load()
        np.testing.assert_allclose(samples.inputs, views[VIEWS.index(view)], rtol=1e-6)
        np.testing.assert_array_equal(samples.labels, digits)

    def test_views_are_rows_of_the_same_things_divided_alike(self, given: Loader) -> None:
        workspace = given("mfeat")[0].workspace
        found = [load_dataset("mfeat", {"view": view}, workspace=workspace).load() for view in VIEWS]
        for one, other in pairwise(found):
            assert one.pair_ids == other.pair_ids
            assert one.split == other.split

    def test_an_unknown_view_is_refused(self) -> None:
        with pytest.raises(ConfigError, match=r"datasets.mfeat.view: 'six' is not one of pix, fou"):
            load_dataset("mfeat", {"view": "six"})


class TestWikipedia:
    @pytest.mark.parametrize(("view", "position"), [("image", 0), ("text", 1)])
    def test_a_view_is_that_of_the_file(self, view: str, position: int, given: Loader) -> None:
        expected = wikipedia_arrays()
        samples = load_dataset("wikipedia", {"view": view}, workspace=given("wikipedia")[0].workspace).load()
        np.testing.assert_allclose(samples.inputs, expected[position], rtol=1e-6)
        np.testing.assert_array_equal(samples.labels, expected[2])

    def test_the_last_693_rows_are_the_test_rows(self, given: Loader) -> None:
        split = given("wikipedia")[1].split
        assert [part == "test" for part in split] == [False] * 2173 + [True] * 693

    def test_views_in_another_order_are_refused(self, workspace: Callable[[str], Workspace]) -> None:
        place, (images, texts, topics) = workspace("wikipedia"), wikipedia_arrays()
        swapped = mat(X=cells([texts, images]).reshape(2, 1), y=topics[:, None] + 1)
        store(place.downloads / "wikipedia", {"Wikipedia.mat": swapped})
        for view in ("image", "text"):
            with pytest.raises(DataError, match=f"Wikipedia.mat: the {view} is of shape"):
                load_dataset("wikipedia", {"view": view}, workspace=place).load()


class TestRosmap:
    @pytest.mark.parametrize(("omics", "number"), [("mrna", 1), ("methylation", 2), ("mirna", 3)])
    def test_a_table_is_that_of_the_files(self, omics: str, number: int, given: Loader) -> None:
        arrays = rosmap_arrays()
        samples = load_dataset("rosmap", {"omics": omics}, workspace=given("rosmap")[0].workspace).load()
        expected = np.concatenate([arrays[f"{number}_tr"], arrays[f"{number}_te"]])
        np.testing.assert_allclose(samples.inputs, expected, rtol=1e-6)
        np.testing.assert_array_equal(
            samples.labels, np.concatenate([arrays["labels_tr"], arrays["labels_te"]])
        )

    def test_the_published_test_rows_are_the_test_rows(self, given: Loader) -> None:
        samples = given("rosmap")[1]
        assert [part == "test" for part in samples.split] == [False] * 60 + [True] * 30
        assert counts(samples) == [48, 12, 30]

    @pytest.mark.parametrize(
        ("path", "content", "message"),
        [
            ("labels_tr.csv", b"0.0\n1.0\n0.5\n", r"label 0.5 in line 3 is not whole"),
            ("labels_tr.csv", b"0.0\nnan\n", r"label nan in line 2 is not whole"),
            ("labels_tr.csv", b"inf\n", "label inf in line 1 is not whole"),
            ("labels_te.csv", b"control\n", "not a table of numbers"),
            ("1_te.csv", b"0.5,0.5\n0.5\n", "not a table of numbers"),
            ("1_te.csv", table(np.zeros((29, 200))), "29 rows for 30 labels"),
        ],
    )
    def test_a_damaged_table_is_refused(
        self, path: str, content: bytes, message: str, workspace: Callable[[str], Workspace]
    ) -> None:
        place = workspace("rosmap")
        store(place.downloads / "rosmap/ROSMAP", {path: content})
        with pytest.raises(DataError, match=f"{path}: {message}.*run again"):
            load_dataset("rosmap", workspace=place).load()


@with_real_data
class TestReal:
    """Numbers as the readme of the archives and the papers give them."""

    @pytest.mark.parametrize(
        ("kind", "values", "shape", "per_class"),
        [
            ("mnist", {}, (1, 28, 28), [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]),
            ("fsdd", {}, (1, 32, 32), [300] * 10),
            ("signdigits", {}, (3, 32, 32), [205, 206, 206, 206, 207, 207, 207, 206, 208, 204]),
            ("mfeat", {"view": "pix"}, (240,), [200] * 10),
            ("mfeat", {"view": "fou"}, (76,), [200] * 10),
            ("mfeat", {"view": "fac"}, (216,), [200] * 10),
            ("mfeat", {"view": "zer"}, (47,), [200] * 10),
            ("mfeat", {"view": "kar"}, (64,), [200] * 10),
            ("mfeat", {"view": "mor"}, (6,), [200] * 10),
            ("wikipedia", {"view": "image"}, (128,), [172, 360, 340, 333, 267, 236, 237, 185, 285, 451]),
            ("wikipedia", {"view": "text"}, (10,), [172, 360, 340, 333, 267, 236, 237, 185, 285, 451]),
            ("rosmap", {"omics": "mrna"}, (200,), [169, 182]),
            ("rosmap", {"omics": "methylation"}, (200,), [169, 182]),
            ("rosmap", {"omics": "mirna"}, (200,), [169, 182]),
        ],
    )
    def test_shape_and_counts(
        self, kind: str, values: dict[str, str], shape: tuple[int, ...], per_class: list[int], real: Real
    ) -> None:
        samples = real(kind, **values)[1]
        assert samples.inputs.shape == (sum(per_class), *shape)
        assert np.bincount(samples.labels).tolist() == per_class

    def test_published_test_rows(self, real: Real) -> None:
        wikipedia, rosmap = real("wikipedia")[1], real("rosmap")[1]
        assert wikipedia.split.count("test") == 693
        assert rosmap.labels[np.asarray(rosmap.split) == "test"].tolist().count(1) == 55
        assert rosmap.split.count("test") == 106

    def test_shares_of_wikipedia_sum_to_one(self, real: Real) -> None:
        for view in ("image", "text"):
            np.testing.assert_allclose(real("wikipedia", view=view)[1].inputs.sum(axis=1), 1, atol=1e-3)

    def test_topics_of_wikipedia_are_named_as_in_the_file(self, real: Real) -> None:
        from scipy.io import loadmat

        dataset, samples = real("wikipedia")
        names = loadmat(dataset.raw / "Wikipedia.mat")["class_meaning"].ravel()
        assert [str(name.item()).strip() for name in names] == list(samples.classes)

    def test_a_row_of_mfeat_shows_the_digit_of_its_label(self, real: Real) -> None:
        """The hole of a zero is empty in its middle, where a one has its stroke."""
        samples = real("mfeat")[1]
        centre = samples.inputs.reshape(-1, 16, 15)[:, 7:9, 6:9].mean(axis=(1, 2))
        assert centre[samples.labels == 0].mean() < 1 < centre[samples.labels == 1].mean()

    def test_signers_stay_in_one_block(self, real: Real) -> None:
        """Numbers are consecutive and the digits run from 0 to 9, in all but a few places."""
        samples = real("signdigits")[1]
        numbers = [int(name.removeprefix("IMG_")) for name in samples.ids]
        assert numbers == sorted(numbers)
        starts = [row for row in range(1, len(numbers)) if samples.groups[row] != samples.groups[row - 1]]
        assert len(starts) == len(set(samples.groups)) - 1
        # A block starts with a low digit, but for a signer whose first pictures are missing.
        low = [samples.labels[row] <= 1 for row in starts]
        assert np.mean(low) > 0.95

    @pytest.mark.parametrize(
        ("kind", "values", "at_least"),
        [
            ("mnist", {}, 0.90),
            *(("fsdd", {"test_speaker": speaker}, 0.35) for speaker in fsdd.SPEAKERS),
            ("signdigits", {}, 0.65),
            ("mfeat", {"view": "pix"}, 0.93),
            ("mfeat", {"view": "fou"}, 0.75),
            ("mfeat", {"view": "fac"}, 0.93),
            ("mfeat", {"view": "zer"}, 0.72),
            ("mfeat", {"view": "kar"}, 0.90),
            ("mfeat", {"view": "mor"}, 0.62),
            ("wikipedia", {"view": "image"}, 0.18),
            ("wikipedia", {"view": "text"}, 0.60),
            ("rosmap", {"omics": "mrna"}, 0.58),
            ("rosmap", {"omics": "methylation"}, 0.58),
            ("rosmap", {"omics": "mirna"}, 0.58),
        ],
    )
    def test_a_plain_model_learns_it(
        self, kind: str, values: dict[str, str], at_least: float, real: Real
    ) -> None:
        """A random forest on raw inputs; the bounds are well below what such models are known to reach."""
        from sklearn.ensemble import RandomForestClassifier

        samples = real(kind, **values)[1]
        rows, split = samples.inputs.reshape(len(samples.inputs), -1), np.asarray(samples.split)
        forest = RandomForestClassifier(100, random_state=0, n_jobs=2)
        forest.fit(rows[split == "train"], samples.labels[split == "train"])
        accuracy = forest.score(rows[split == "test"], samples.labels[split == "test"])
        assert at_least < accuracy < 0.999
