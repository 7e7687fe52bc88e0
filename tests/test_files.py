"""Files and folders are there completely or not at all."""

import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from ucmkd.errors import DataError
from ucmkd.files import atomic_file, atomic_folder, read_json, write_json, write_text


@pytest.fixture(params=[0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """Set the permissions that new files lack."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fail(writing: AbstractContextManager[Path]) -> None:
    """Stop half way through."""
    with writing as path:
        (path / "new" if path.is_dir() else path).write_text("half")
        raise KeyError


class TestFile:
    def test_it_appears_when_the_block_ends(self, tmp_path: Path) -> None:
        target = tmp_path / "new" / "table.csv"
        with atomic_file(target) as path:
            path.write_text("a\n")
            assert not target.exists()
            assert path.suffix == ".csv"
        assert target.read_text() == "a\n"
        assert names(target.parent) == ["table.csv"]

    def test_an_error_leaves_what_was_there(self, tmp_path: Path) -> None:
        target = tmp_path / "table.csv"
        target.write_text("before")
        with pytest.raises(KeyError):
            fail(atomic_file(target))
        assert target.read_text() == "before"
        assert names(tmp_path) == ["table.csv"]

    def test_its_permissions_are_those_of_any_new_file(self, tmp_path: Path, umask: int) -> None:
        write_text(tmp_path / "a.txt", "a")
        assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o666 & ~umask
        assert os.umask(umask) == umask


class TestFolder:
    def test_it_replaces_the_one_that_was_there(self, tmp_path: Path) -> None:
        (tmp_path / "parts").mkdir()
        (tmp_path / "parts" / "old").write_text("old")
        with atomic_folder(tmp_path / "parts") as folder:
            (folder / "new").write_text("new")
            assert names(tmp_path / "parts") == ["old"]
        assert names(tmp_path / "parts") == ["new"]
        assert names(tmp_path) == ["parts"]

    def test_an_error_leaves_what_was_there(self, tmp_path: Path) -> None:
        (tmp_path / "parts").mkdir()
        (tmp_path / "parts" / "old").write_text("old")
        with pytest.raises(KeyError):
            fail(atomic_folder(tmp_path / "parts"))
        assert names(tmp_path / "parts") == ["old"]
        assert names(tmp_path) == ["parts"]

    def test_its_permissions_are_those_of_any_new_folder(self, tmp_path: Path, umask: int) -> None:
        with atomic_folder(tmp_path / "parts"):
            pass
        assert stat.S_IMODE((tmp_path / "parts").stat().st_mode) == 0o777 & ~umask


class TestJson:
    def test_values_come_back(self, tmp_path: Path) -> None:
        value = {"b": [1, 2.5, None, True], "a": {"żółw": "零"}}
        write_json(tmp_path / "a.json", value)
        assert read_json(tmp_path / "a.json") == value

    def test_keys_are_sorted(self, tmp_path: Path) -> None:
        for name, value in (("a.json", {"a": 1, "b": 2}), ("b.json", {"b": 2, "a": 1})):
            write_json(tmp_path / name, value)
        assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_numbers_that_are_none_are_refused(self, value: float, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="not JSON compliant"):
            write_json(tmp_path / "a.json", value)
        assert names(tmp_path) == []

    def test_a_missing_file_names_the_remedy(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"a\.json: no such file; run"):
            read_json(tmp_path / "a.json")

    @pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe"])
    def test_a_damaged_file_names_the_remedy(self, content: bytes, tmp_path: Path) -> None:
        (tmp_path / "a.json").write_bytes(content)
        with pytest.raises(DataError, match=r"a\.json: not JSON .*delete it"):
            read_json(tmp_path / "a.json")
