"""What samples are refused, and how they survive the disk."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.data.conftest import Tiny
from ucmkd.data.base import load_dataset, validate
from ucmkd.data.prepared import digest, read_prepared, write_prepared
from ucmkd.errors import ConfigError, DataError


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A folder with the tiny dataset."""
    write_prepared(tmp_path / "tiny", "tiny", Tiny(), {"size": (1, 2)})
    return tmp_path / "tiny"


def changed(column: str, row: int, value: Any) -> list[Any]:
    """A column of the tiny dataset with one value replaced."""
    values = list(getattr(Tiny().load(), column))
    values[row] = value
    return values


class TestValidate:
    def test_the_tiny_dataset_passes(self) -> None:
        validate(Tiny().load(), modality="tabular", grouped=True, place="tiny")

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_inputs_that_are_no_numbers_are_refused_with_the_sample_named(self, value: float) -> None:
        inputs = Tiny().load().inputs.copy()
        inputs[4, 1] = value
        with pytest.raises(DataError, match="tiny: NaN or infinite inputs in 1 samples, first 'row4'"):
            validate(Tiny(inputs=inputs).load(), modality="tabular", grouped=True, place="tiny")

    @pytest.mark.parametrize("part", ["train", "val", "test"])
    def test_a_class_that_is_missing_from_a_split_is_refused(self, part: str) -> None:
        samples = Tiny().load()
        labels = np.where(np.asarray(samples.split) == part, 0, samples.labels)
        with pytest.raises(DataError, match=f"class 'odd' has no {part} sample"):
            validate(Tiny(labels=labels).load(), modality="tabular", grouped=True, place="tiny")

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"inputs": np.zeros((0, 3), np.float32)}, "no samples"),
            ({"inputs": np.zeros((12, 3))}, "float32"),
            ({"labels": np.zeros(12, np.int32)}, "int64"),
            ({"labels": np.full(12, 2)}, r"labels must lie in 0\.\.1"),
            ({"labels": np.arange(12) % 2 - 1}, r"labels must lie in 0\.\.1"),
            ({"labels": np.zeros(11, np.int64)}, "11 labels for 12 inputs"),
            ({"ids": ["a"] * 11}, "11 ids for 12 inputs"),
            ({"pair_ids": ["a"] * 13}, "13 pair_ids for 12 inputs"),
            ({"ids": changed("ids", 3, "row0")}, "id 'row0' occurs more than once"),
            (
                {"split": changed("split", 0, "validation")},
                "split 'validation' is not one of train, val, test",
            ),
            ({"groups": changed("groups", 6, "pair, 0")}, "group 'pair, 0' stands in train and val"),
        ],
    )
    def test_the_message_names_what_is_wrong(self, changes: dict[str, Any], message: str) -> None:
        with pytest.raises(DataError, match=message):
            validate(Tiny(**changes).load(), modality="tabular", grouped=True, place="tiny")

    def test_groups_do_not_matter_where_they_are_unknown(self) -> None:
        validate(Tiny(groups=["nobody"] * 12).load(), modality="tabular", grouped=False, place="tiny")


class TestRoundTrip:
    def test_every_column_comes_back(self, stored: Path) -> None:
        samples, prepared = Tiny().load(), read_prepared(stored)
        np.testing.assert_array_equal(prepared.inputs, samples.inputs)
        np.testing.assert_array_equal(prepared.labels, samples.labels)
        for column in ("ids", "groups", "split", "pair_ids"):
            assert getattr(prepared, column).tolist() == getattr(samples, column)

    def test_inputs_are_mapped_and_cannot_be_changed(self, stored: Path) -> None:
        inputs = read_prepared(stored).inputs
        assert isinstance(inputs, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            inputs[0, 0] = 1

    def test_rows_of_a_split(self, stored: Path) -> None:
        assert read_prepared(stored).rows("val").tolist() == [6, 7]

    def test_normalisation_comes_from_training_rows_alone(self, stored: Path) -> None:
        train = Tiny().load().inputs[:6].astype(float)
        card = read_prepared(stored).card
        np.testing.assert_allclose(card["normalisation"]["mean"], [sum(column) / 6 for column in train.T])
        np.testing.assert_allclose(card["normalisation"]["std"], [column.std() for column in train.T])

    def test_a_constant_column_is_not_divided_by_zero(self, tmp_path: Path) -> None:
        write_prepared(tmp_path / "flat", "flat", Tiny(inputs=np.ones((12, 3), np.float32)), {})
        assert read_prepared(tmp_path / "flat").card["normalisation"]["std"] == [1.0, 1.0, 1.0]

    def test_the_card_counts_and_describes(self, stored: Path) -> None:
        card = read_prepared(stored).card
        assert card["counts"] == {"train": [3, 3], "val": [1, 1], "test": [2, 2]}
        assert (card["groups"], card["shape"], card["settings"]) == (6, [3], {"size": [1, 2]})

    def test_missing_pair_ids_are_empty(self, tmp_path: Path) -> None:
        alone = Tiny(pair_ids=None)
        alone.instances = None
        write_prepared(tmp_path / "alone", "alone", alone, {})
        assert set(read_prepared(tmp_path / "alone").pair_ids) == {""}

    def test_names_with_commas_quotes_and_letters_of_any_script_survive(self, tmp_path: Path) -> None:
        ids = changed("ids", 0, 'żółw, "нуль"\n零')
        write_prepared(tmp_path / "odd", "odd", Tiny(ids=ids), {})
        assert read_prepared(tmp_path / "odd").ids.tolist() == ids

    def test_a_transposed_array_is_stored_row_by_row(self, tmp_path: Path) -> None:
        inputs = np.asfortranarray(Tiny().load().inputs)
        write_prepared(tmp_path / "t", "t", Tiny(inputs=inputs), {})
        np.testing.assert_array_equal(read_prepared(tmp_path / "t").inputs, inputs)

    def test_the_digest_sees_one_bit(self) -> None:
        inputs = Tiny().load().inputs
        other = inputs.copy()
        other[0, 0] = np.nextafter(other[0, 0], np.float32(1))
        assert digest(inputs, "") != digest(other, "")
        assert digest(inputs, "a") != digest(inputs, "b")


def rewrite(file: Path, **values: Any) -> None:
    """Change keys of a JSON file."""
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


class TestDamage:
    @pytest.mark.parametrize("file", ["inputs.npy", "samples.csv", "card.json"])
    def test_a_missing_file_is_named_with_a_remedy(self, stored: Path, file: str) -> None:
        (stored / file).unlink()
        with pytest.raises(DataError, match=f"(?i){file}: .*no such file.*run"):
            read_prepared(stored)

    @pytest.mark.parametrize("file", ["inputs.npy", "samples.csv", "card.json"])
    @pytest.mark.parametrize("share", [0.0, 0.3, 0.97])
    def test_a_truncated_file_is_named_with_a_remedy(self, stored: Path, file: str, share: float) -> None:
        whole = (stored / file).read_bytes()
        (stored / file).write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(DataError, match=r"(inputs|samples|card)\.\w+: .*delete .* run again"):
            read_prepared(stored)

    @pytest.mark.parametrize("file", ["inputs.npy", "samples.csv", "card.json"])
    def test_a_file_of_noise_is_named_with_a_remedy(self, stored: Path, file: str) -> None:
        (stored / file).write_bytes(np.random.default_rng(0).bytes(500))
        with pytest.raises(DataError, match=f"{file}: .*delete .* run again"):
            read_prepared(stored)

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("row1,1,", "row1,one,", "row 3 is 'row1,one,"),
            ("row1,1,", "row1,-1,", "row 3"),
            ("row1,1,", "row1,1.0,", "row 3"),
            ("row1,1,", "row1,99999999999999999999999,", "beyond the classes"),
            ("row1,1,", "row1,0,", "not those counted"),
            ("row1,1,", "row1,1,more,", "row 3"),
            (",val,", ",valid,", "row 8"),
            (",val,", ",test,", "not those counted"),
            ("id,label", "name,label", "columns are name, label"),
            ('row1,1,"pair, 0"', 'row1,1,"pair, 0', "expected after"),
        ],
    )
    def test_a_table_that_was_edited_is_refused(self, stored: Path, old: str, new: str, message: str) -> None:
        table = stored / "samples.csv"
        table.write_text(table.read_text().replace(old, new, 1))
        with pytest.raises(DataError, match=f"samples.csv: .*{message}.*delete"):
            read_prepared(stored)

    @pytest.mark.parametrize(
        "values",
        [
            {"classes": "even"},
            {"classes": None},
            {"shape": 3},
            {"shape": [4]},
            {"counts": []},
            {"counts": {"train": [3, 3]}},
            {"modality": 1},
            {"sha256": None},
            {"normalisation": {"mean": [0.0, 0.0, 0.0]}},
            {"normalisation": {"mean": "0", "std": [1.0, 1.0, 1.0]}},
            {"normalisation": [0.0, 1.0]},
        ],
    )
    def test_a_card_of_wrong_types_is_refused(self, stored: Path, values: dict[str, Any]) -> None:
        rewrite(stored / "card.json", **values)
        with pytest.raises(DataError, match=r"delete .* run again"):
            read_prepared(stored)

    def test_a_card_that_is_a_list_is_refused(self, stored: Path) -> None:
        (stored / "card.json").write_text("[]")
        with pytest.raises(DataError, match=r"card.json: not the card"):
            read_prepared(stored)

    def test_pickled_inputs_are_never_loaded(self, stored: Path) -> None:
        np.save(stored / "inputs.npy", np.array([{}] * 12, dtype=object), allow_pickle=True)
        with pytest.raises(DataError, match=r"inputs\.npy: "):
            read_prepared(stored)

    def test_inputs_of_another_type_are_refused(self, stored: Path) -> None:
        np.save(stored / "inputs.npy", np.zeros((12, 3)))
        with pytest.raises(DataError, match=r"inputs\.npy: holds float64 instead of float32"):
            read_prepared(stored)


def store_within(folder: Path, limit: int) -> subprocess.CompletedProcess[str]:
    """Store the tiny dataset in a process that may write files of so many bytes."""
    script = (
        "import resource, sys\n"
        "from tests.data.conftest import Tiny\n"
        "from ucmkd.data.prepared import write_prepared\n"
        "from ucmkd.errors import DataError\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        "try:\n"
        f"    write_prepared({str(folder)!r}, 'tiny', Tiny(), {{'size': [1, 2]}})\n"
        "except DataError as error:\n"
        "    sys.exit(str(error))\n"
    )
    root = Path(__file__).parents[2]
    return subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True)


class TestNoRoom:
    @pytest.mark.parametrize("file", ["inputs.npy", "samples.csv", "card.json"])
    def test_a_full_disk_ends_with_a_message_and_leaves_nothing(self, stored: Path, file: str) -> None:
        """The files are written in this order, each larger than the one before."""
        result = store_within(stored.parent / "data" / "tiny", (stored / file).stat().st_size - 1)
        assert result.returncode == 1
        assert "cannot store 'tiny'" in result.stderr
        assert "make room on the disk" in result.stderr
        assert list((stored.parent / "data").iterdir()) == []

    def test_what_stood_there_before_is_kept(self, stored: Path) -> None:
        before = {path.name: path.read_bytes() for path in stored.iterdir()}
        assert store_within(stored, 100).returncode == 1
        assert {path.name: path.read_bytes() for path in stored.iterdir()} == before
        assert [path.name for path in stored.parent.iterdir()] == ["tiny"]

    def test_a_file_in_the_place_of_the_folder(self, tmp_path: Path) -> None:
        (tmp_path / "tiny").write_text("mine")
        with pytest.raises(DataError, match="cannot store 'tiny'"):
            write_prepared(tmp_path / "tiny", "tiny", Tiny(), {})
        assert (tmp_path / "tiny").read_text() == "mine"
        assert len(list(tmp_path.iterdir())) == 1

    def test_a_file_in_the_place_of_the_folder_above(self, tmp_path: Path) -> None:
        (tmp_path / "data").write_text("mine")
        with pytest.raises(DataError, match="cannot store 'tiny'"):
            write_prepared(tmp_path / "data" / "tiny", "tiny", Tiny(), {})

    def test_samples_that_are_refused_leave_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(DataError):
            write_prepared(tmp_path / "tiny", "tiny", Tiny(labels=np.zeros(12, np.int64)), {})
        assert list(tmp_path.iterdir()) == []


def test_storing_again_replaces(stored: Path) -> None:
    write_prepared(stored, "tiny", Tiny(inputs=np.ones((12, 1), np.float32)), {})
    assert read_prepared(stored).inputs.shape == (12, 1)


def test_a_dataset_that_is_paired_by_nature_must_say_what_its_samples_show(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="tiny: instances 'tiny' without pair_ids"):
        write_prepared(tmp_path / "tiny", "tiny", Tiny(pair_ids=None), {})


def test_an_unknown_dataset_is_refused_with_those_that_exist() -> None:
    with pytest.raises(ConfigError, match=r"there is no 'spoken_letters'; known: .*spoken_digits"):
        load_dataset("spoken_letters")
