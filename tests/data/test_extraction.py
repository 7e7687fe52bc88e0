"""Reading many files: parallel, restartable, and honest about what was left out."""

import errno
import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ucmkd.data import extraction
from ucmkd.data.base import Workspace
from ucmkd.data.extraction import BATCH, extract
from ucmkd.errors import DataError

FILES = [f"file{number}" for number in range(3 * BATCH + 5)]
BAD = ("file3", f"file{BATCH + 1}", FILES[-1])


def values(name: str) -> np.ndarray:
    """What a good file holds: its number, and the square of it."""
    number = int(name.removeprefix("file"))
    return np.array([number, number**2], dtype=np.float32)


def read(name: str) -> np.ndarray:
    """Read a file, unless it is one of the bad ones."""
    if name in BAD:
        raise DataError(f"{name}: its {name[-1]} is torn")
    return values(name)


def die(name: str) -> np.ndarray:
    """Read a file, one of which kills the process."""
    if name == "file20":
        os._exit(1)
    return values(name)


class Counted:
    """A reader that remembers what it read, and stops at one file with an error that is not about data."""

    def __init__(self, stop_at: str | None = None, error: type[BaseException] = KeyboardInterrupt) -> None:
        self.stop_at, self.error = stop_at, error
        self.names: list[str] = []

    def __call__(self, name: str) -> np.ndarray:
        if name == self.stop_at:
            raise self.error
        self.names.append(name)
        return read(name)


def run(
    folder: Path,
    reader: Callable[[str], np.ndarray] = read,
    *,
    files: Iterable[str] = FILES,
    workers: int = 1,
    dtype: str = "float32",
    **key: Any,
) -> extraction.Extracted:
    """Extract into a scratch folder."""
    workspace = Workspace(scratch=folder, workers=workers)
    return extract(list(files), reader, shape=(2,), dtype=dtype, key=key, workspace=workspace)


def good() -> list[int]:
    """Positions of the files that can be read."""
    return [row for row, name in enumerate(FILES) if name not in BAD]


class TestWhatComesBack:
    def test_rows_of_the_good_files_in_their_order(self, tmp_path: Path) -> None:
        result = run(tmp_path)
        assert result.kept.tolist() == good()
        np.testing.assert_array_equal(result.inputs, [values(FILES[row]) for row in good()])

    def test_the_bad_files_with_their_reasons(self, tmp_path: Path) -> None:
        assert run(tmp_path).skipped == {name: f"its {name[-1]} is torn" for name in BAD}

    def test_nothing_is_left_out_when_all_are_good(self, tmp_path: Path) -> None:
        result = run(tmp_path, values)
        assert result.skipped == {}
        np.testing.assert_array_equal(result.inputs, [values(name) for name in FILES])

    def test_two_workers_give_the_same_bytes_as_one(self, tmp_path: Path) -> None:
        one, two = run(tmp_path / "one"), run(tmp_path / "two", workers=2)
        assert one.inputs.tobytes() == two.inputs.tobytes()
        assert (one.kept.tolist(), one.skipped) == (two.kept.tolist(), two.skipped)

    def test_inputs_are_mapped_from_the_disk(self, tmp_path: Path) -> None:
        assert isinstance(run(tmp_path).inputs, np.memmap)

    @pytest.mark.parametrize("workers", [1, 2])
    def test_nothing_readable_is_an_error_that_gives_a_reason(self, tmp_path: Path, workers: int) -> None:
        with pytest.raises(DataError, match="none of 2 files can be read; file3: its 3 is torn"):
            run(tmp_path, files=BAD[:2], workers=workers)

    def test_no_file_at_all_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="none of 0 files"):
            run(tmp_path, files=[])

    def test_after_nothing_was_readable_files_are_read_again(self, tmp_path: Path) -> None:
        with pytest.raises(DataError):
            run(tmp_path, files=BAD)
        assert run(tmp_path, values, files=BAD).kept.tolist() == [0, 1, 2]

    @pytest.mark.parametrize("wrong", [np.zeros(1, np.float32), np.zeros(2), np.zeros((1, 2), np.float32)])
    def test_a_reader_that_gives_another_shape_or_type_is_not_broadcast(
        self, tmp_path: Path, wrong: np.ndarray
    ) -> None:
        with pytest.raises(TypeError, match="file0: read as"):
            run(tmp_path, lambda name: wrong)


class TestRestart:
    @pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, OSError])
    def test_only_what_is_missing_is_read_again(self, tmp_path: Path, error: type[BaseException]) -> None:
        first = Counted(stop_at=FILES[2 * BATCH + 1], error=error)
        with pytest.raises(error):
            run(tmp_path, first)
        second = Counted()
        result = run(tmp_path, second)
        assert second.names == FILES[2 * BATCH :]
        np.testing.assert_array_equal(result.inputs, [values(FILES[row]) for row in good()])

    def test_reasons_survive_it(self, tmp_path: Path) -> None:
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, Counted(stop_at=FILES[2 * BATCH]))
        assert run(tmp_path, values).skipped == {name: f"its {name[-1]} is torn" for name in BAD[:2]}

    def test_finished_work_is_not_done_again(self, tmp_path: Path) -> None:
        before, again = run(tmp_path), Counted()
        after = run(tmp_path, again)
        assert again.names == []
        assert (after.inputs.tobytes(), after.skipped) == (before.inputs.tobytes(), before.skipped)

    @pytest.mark.parametrize("change", [{"size": 3}, {"files": FILES[:-1]}, {"dtype": "float64"}])
    def test_other_settings_or_files_start_anew(self, tmp_path: Path, change: dict[str, Any]) -> None:
        run(tmp_path, size=2)
        again = Counted()
        dtype = change.get("dtype", "float32")
        run(tmp_path, lambda name: again(name).astype(dtype), **({"size": 2} | change))
        assert again.names == change.get("files", FILES)

    @pytest.mark.parametrize("name", ["state.npy", "inputs.npy"])
    def test_a_half_made_array_is_made_again(self, tmp_path: Path, name: str) -> None:
        run(tmp_path)
        next(tmp_path.glob(f"*/{name}")).write_bytes(b"\x93NUMPY")
        again = Counted()
        assert run(tmp_path, again).kept.tolist() == good()
        assert again.names == FILES


class TestMisfortunes:
    def test_progress_is_logged(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(extraction, "REPORT_SECONDS", -1.0)
        with caplog.at_level(logging.INFO):
            run(tmp_path)
        steps = [f"{done} of {len(FILES)} files" for done in (BATCH, 2 * BATCH, 3 * BATCH, len(FILES))]
        told = f"{len(FILES) - 3} files read, 3 skipped"
        assert [record.message for record in caplog.records if record.levelno == logging.INFO] == [
            *steps,
            told,
        ]

    def test_every_file_left_out_is_logged_with_its_reason(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        run(tmp_path)
        warned = [record.message for record in caplog.records if record.levelno == logging.WARNING]
        assert warned == [f"skipped {name}: its {name[-1]} is torn" for name in BAD]

    def test_a_full_disk_is_said_before_anything_is_read(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def no_room(*_: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "posix_fallocate", no_room)
        reader = Counted()
        with pytest.raises(DataError, match=r"no room for 0\.0 GiB \(No space left on device\); make room"):
            run(tmp_path, reader)
        assert reader.names == []
        assert not list(tmp_path.rglob("*.npy"))

    def test_a_process_that_dies_is_told_with_the_files_it_may_have_died_of(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"a process that reads files died, at file(0|16) or soon after"):
            run(tmp_path, die, workers=2)
