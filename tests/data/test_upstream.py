"""Fetching from a mirror or from addresses, whatever goes wrong; the addresses are of this machine."""

import errno
import io
import json
import os
import random
import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.data.conftest import PUBLIC
from tests.data.imitations import Imitation, imitate, publish, sha256
from ucmkd import jobs
from ucmkd.data.base import Workspace, dataset_class, load_dataset
from ucmkd.data.datasets import rosmap
from ucmkd.data.prepared import write_prepared
from ucmkd.data.upstream import MIRROR, Archive, Remote, Upstream, content_digest, download, fetch
from ucmkd.errors import DataError

PAGE = b"<!DOCTYPE html>\n<html><body>Please log in.</body></html>\n"
NUMBERS = random.Random(0).randbytes(200_000)
FILES = {"a.csv": NUMBERS, "parts/b.csv": b"3,4\n", "parts/c.txt": b"left out\n"}
KEPT = {"a.csv", "parts/b.csv"}
SINGLE = Upstream(
    name="toy",
    mirror_sha256="",
    home=(Remote("a.csv", "", ""), Remote("parts/b.csv", "", "")),
    paths=("*.csv",),
    content_sha256="",
)
PACKED = replace(SINGLE, home=Archive("", "toy-abc123"))


class Site:
    """A web site of one folder, which can be told to misbehave.

    Attributes
    ----------
    address : str
    folder : Path
        What it serves.
    asked : list
        The paths that were asked for, each with the range of bytes.
    ranges : bool
        Whether it can give a file from some byte on.
    stop_after : int or None
        After how many bytes of the next answer it hangs up.
    kind : str
        The content type it claims.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[tuple[str, str | None]] = []
        self.ranges = True
        self.stop_after: int | None = None
        self.kind = "application/octet-stream"
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.answer(self)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Give a file, as far as it is told to."""
        wanted = request.headers["Range"]
        self.asked.append((request.path, wanted))
        path = self.folder / request.path.lstrip("/")
        if not path.is_file():
            request.send_error(404)
            return
        content = path.read_bytes()
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.ranges else 0
        if start and start >= len(content):
            request.send_error(416)
            return
        request.send_response(206 if start else 200)
        request.send_header("Content-Type", self.kind)
        request.send_header("Content-Length", str(len(content) - start))
        request.end_headers()
        end, self.stop_after = self.stop_after, None
        request.wfile.write(content[start:] if end is None else content[start : start + end])
        request.close_connection = True


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Serve the folder ``home`` of the test."""
    site = Site(tmp_path / "home")
    thread = threading.Thread(target=site.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield site
    site.server.shutdown()
    thread.join()
    site.server.server_close()


@pytest.fixture
def toy(site: Site, tmp_path: Path) -> Callable[[Upstream], Imitation]:
    """Publish the toy data set on the site and in a mirror."""
    return lambda upstream: publish(upstream, FILES, tmp_path, site.address)


def files_below(folder: Path) -> dict[str, bytes]:
    """Read all files of a folder."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def members(*special: tarfile.TarInfo, name: str = "toy") -> bytes:
    """Make an archive of the toy files and of special members, each of four bytes if it has bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path, content in FILES.items():
            member = tarfile.TarInfo(f"{name}/{path}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for member in special:
            member.size = 4 if member.isfile() else 0
            archive.addfile(member, io.BytesIO(b"evil") if member.isfile() else None)
    return buffer.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    """Describe one member of an archive."""
    described = tarfile.TarInfo(name)
    described.type, described.linkname = kind, link
    return described


def put_in_mirror(imitation: Imitation, content: bytes) -> Upstream:
    """Replace the archive of a mirror, as if it were the right one."""
    (imitation.mirror / f"{imitation.upstream.name}.tar.gz").write_bytes(content)
    return replace(imitation.upstream, mirror_sha256=sha256(content))


class TestWhatIsFetched:
    @pytest.mark.parametrize("upstream", [SINGLE, PACKED], ids=["files", "archive"])
    @pytest.mark.parametrize("mirrored", [True, False])
    def test_it_is_the_files_that_match_a_pattern(
        self, upstream: Upstream, mirrored: bool, toy: Any, tmp_path: Path
    ) -> None:
        imitation = toy(upstream)
        fetch(imitation.upstream, tmp_path / "got/toy", imitation.mirror if mirrored else None)
        assert files_below(tmp_path / "got") == {f"toy/{path}": FILES[path] for path in KEPT}

    @pytest.mark.parametrize("kind", PUBLIC)
    def test_mirror_and_address_lead_to_the_same_prepared_bytes(
        self, kind: str, site: Site, tmp_path: Path
    ) -> None:
        imitation = imitate(kind, tmp_path, site.address)
        prepared = []
        for place, mirror in (("near", imitation.mirror), ("far", None)):
            fetch(imitation.upstream, tmp_path / place / kind, mirror)
            dataset = load_dataset(kind, workspace=Workspace(downloads=tmp_path / place))
            write_prepared(tmp_path / place / "prepared", kind, dataset, {})
            prepared.append(files_below(tmp_path / place / "prepared"))
        assert prepared[0].keys() == {"inputs.npy", "samples.csv", "card.json"}
        assert prepared[0] == prepared[1]

    def test_a_data_set_that_is_there_is_replaced(self, toy: Any, tmp_path: Path) -> None:
        imitation = toy(SINGLE)
        (tmp_path / "got/toy").mkdir(parents=True)
        (tmp_path / "got/toy/old.csv").write_bytes(b"")
        fetch(imitation.upstream, tmp_path / "got/toy", imitation.mirror)
        assert files_below(tmp_path / "got/toy").keys() == KEPT

    def test_names_and_bytes_make_the_digest(self, tmp_path: Path) -> None:
        """Not order, times or rights; and a byte cannot move from a name to a content unseen."""
        digests = []
        for number, (name, content) in enumerate([("ab", b"c"), ("ab", b"c"), ("a", b"bc"), ("b", b"c")]):
            folder = tmp_path / str(number)
            folder.mkdir(mode=0o755 if number else 0o700)
            (folder / name).write_bytes(content)
            os.utime(folder / name, (number, number))
            digests.append(content_digest(folder))
        assert digests[0] == digests[1]
        assert len(set(digests)) == 3


class TestMirror:
    def test_an_archive_that_is_missing_is_downloaded(self, toy: Any, site: Site, tmp_path: Path) -> None:
        imitation = toy(SINGLE)
        (imitation.mirror / "toy.tar.gz").unlink()
        fetch(imitation.upstream, tmp_path / "got/toy", imitation.mirror)
        assert [path for path, _ in site.asked] == ["/a.csv", "/parts/b.csv"]

    @pytest.mark.parametrize(("content", "page"), [(b"something", ""), (PAGE, ", but a web page")])
    def test_an_archive_of_other_bytes_is_refused_and_nothing_downloaded(
        self, content: bytes, page: str, toy: Any, site: Site, tmp_path: Path
    ) -> None:
        imitation = toy(SINGLE)
        (imitation.mirror / "toy.tar.gz").write_bytes(content)
        right = imitation.upstream.mirror_sha256
        with pytest.raises(
            DataError, match=f"toy.tar.gz: sha256 is {sha256(content)}, not {right}{page}; replace"
        ):
            fetch(imitation.upstream, tmp_path / "got/toy", imitation.mirror)
        assert site.asked == []
        assert list((tmp_path / "got").iterdir()) == []

    def test_a_folder_that_does_not_exist_is_refused(self, toy: Any, site: Site, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=f"mirrro: no such folder of archives; mend .*{MIRROR}"):
            fetch(toy(SINGLE).upstream, tmp_path / "got/toy", tmp_path / "mirrro")
        assert site.asked == []


class TestArchive:
    @pytest.mark.parametrize(
        ("special", "what"),
        [
            (member("/toy/evil.csv"), "leads outside"),
            (member("../evil.csv"), "leads outside"),
            (member("toy/../../evil.csv"), "leads outside"),
            (member("toy/evil.csv", tarfile.SYMTYPE, "/etc/passwd"), "is a link or a device"),
            (member("toy/evil.csv", tarfile.SYMTYPE, "a.csv"), "is a link or a device"),
            (member("toy/evil.csv", tarfile.LNKTYPE, "toy/a.csv"), "is a link or a device"),
            (member("toy/evil.csv", tarfile.CHRTYPE), "is a link or a device"),
            (member("toy/evil.csv", tarfile.FIFOTYPE), "is a link or a device"),
        ],
        ids=["absolute", "above", "above within", "symlink out", "symlink", "hard link", "device", "pipe"],
    )
    def test_an_unsafe_member_is_refused_and_nothing_kept(
        self, special: tarfile.TarInfo, what: str, toy: Any, tmp_path: Path
    ) -> None:
        imitation = toy(PACKED)
        upstream = put_in_mirror(imitation, members(special))
        before = files_below(tmp_path)
        with pytest.raises(DataError, match=f"member '{special.name}' {what}; .*do not use this archive"):
            fetch(upstream, tmp_path / "got/toy", imitation.mirror)
        assert files_below(tmp_path) == before
        assert list((tmp_path / "got").iterdir()) == []

    @pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
    def test_a_truncated_archive_is_refused(self, share: float, toy: Any, tmp_path: Path) -> None:
        imitation, whole = toy(PACKED), members()
        upstream = put_in_mirror(imitation, whole[: int(share * len(whole))])
        with pytest.raises(DataError, match=r"toy.tar.gz: not a whole tar.gz archive .*get it again"):
            fetch(upstream, tmp_path / "got/toy", imitation.mirror)
        assert list((tmp_path / "got").iterdir()) == []

    def test_a_scrambled_archive_is_refused(self, toy: Any, tmp_path: Path) -> None:
        imitation, whole = toy(PACKED), bytearray(members())
        for position in range(20, len(whole), 7):
            whole[position] ^= 0x55
        upstream = put_in_mirror(imitation, bytes(whole))
        with pytest.raises(DataError, match=r"toy.tar.gz: not a whole tar.gz archive .*get it again"):
            fetch(upstream, tmp_path / "got/toy", imitation.mirror)

    @pytest.mark.parametrize("content", [PAGE, members(name="other")], ids=["page", "other folder"])
    def test_what_is_not_the_archive_is_refused_and_not_kept(
        self, content: bytes, toy: Any, site: Site, tmp_path: Path
    ) -> None:
        imitation = toy(PACKED)
        (imitation.home / "archive").write_bytes(content)
        message = "but a web page" if content == PAGE else "holds none of .* in a folder 'toy-abc123'"
        with pytest.raises(DataError, match=f"{site.address}/archive: .*{message}; get it again"):
            fetch(imitation.upstream, tmp_path / "got/toy", None)
        assert files_below(tmp_path / "got") == {}

    @pytest.mark.parametrize("mirrored", [True, False])
    def test_other_content_is_refused_and_not_kept(self, mirrored: bool, toy: Any, tmp_path: Path) -> None:
        upstream = replace(toy(PACKED).upstream, content_sha256="0" * 64)
        with pytest.raises(
            DataError, match=r"toy: the files are not the expected ones .*source has changed.*data.mirror"
        ):
            fetch(upstream, tmp_path / "got/toy", tmp_path / "mirror" if mirrored else None)
        assert files_below(tmp_path / "got") == {}


class TestDownload:
    @pytest.mark.parametrize("ranges", [True, False])
    @pytest.mark.parametrize("upstream", [SINGLE, PACKED], ids=["files", "archive"])
    def test_an_interrupted_download_is_gone_on_with(
        self, upstream: Upstream, ranges: bool, toy: Any, site: Site, tmp_path: Path
    ) -> None:
        imitation = toy(upstream)
        site.ranges, site.stop_after = ranges, 150_000
        with pytest.raises(DataError, match=f"{site.address}.*cannot be downloaded .*goes on where"):
            fetch(imitation.upstream, tmp_path / "got/toy", None)
        assert not (tmp_path / "got/toy").exists()
        fetch(imitation.upstream, tmp_path / "got/toy", None)
        (first, whole), (again, rest) = site.asked[:2]
        assert first == again
        assert whole is None
        assert 0 < int(str(rest).removeprefix("bytes=").removesuffix("-")) <= 150_000
        assert files_below(tmp_path / "got") == {f"toy/{path}": FILES[path] for path in KEPT}
        assert [path.name for path in (tmp_path / "got").iterdir()] == ["toy"]

    def test_files_that_came_through_are_not_asked_for_again(
        self, toy: Any, site: Site, tmp_path: Path
    ) -> None:
        imitation = toy(SINGLE)
        content = (imitation.home / "parts/b.csv").read_bytes()
        (imitation.home / "parts/b.csv").unlink()
        with pytest.raises(DataError, match="404"):
            fetch(imitation.upstream, tmp_path / "got/toy", None)
        (imitation.home / "parts/b.csv").write_bytes(content)
        fetch(imitation.upstream, tmp_path / "got/toy", None)
        assert [path for path, _ in site.asked] == ["/a.csv", "/parts/b.csv", "/parts/b.csv"]

    def test_a_download_that_was_whole_but_not_yet_renamed_is_used(
        self, toy: Any, site: Site, tmp_path: Path
    ) -> None:
        imitation = toy(SINGLE)
        (tmp_path / "b.part").write_bytes(FILES["parts/b.csv"])
        download(f"{site.address}/parts/b.csv", tmp_path / "b", sha256(FILES["parts/b.csv"]))
        assert imitation.home.is_dir()
        assert (tmp_path / "b").read_bytes() == FILES["parts/b.csv"]

    def test_a_rest_of_something_else_is_thrown_away(self, toy: Any, site: Site, tmp_path: Path) -> None:
        toy(SINGLE)
        (tmp_path / "a.part").write_bytes(b"something else")
        arguments = (f"{site.address}/a.csv", tmp_path / "a", sha256(FILES["a.csv"]))
        with pytest.raises(DataError, match="not the expected file"):
            download(*arguments)
        download(*arguments)
        assert (tmp_path / "a").read_bytes() == FILES["a.csv"]

    def test_other_bytes_are_refused_and_not_kept(self, toy: Any, site: Site, tmp_path: Path) -> None:
        imitation = toy(SINGLE)
        (imitation.home / "a.csv").write_bytes(b"5,6\n")
        with pytest.raises(DataError, match=f"{site.address}/a.csv: not the expected file .*run again"):
            fetch(imitation.upstream, tmp_path / "got/toy", None)
        assert files_below(tmp_path / "got") == {}

    @pytest.mark.parametrize("upstream", [SINGLE, PACKED], ids=["files", "archive"])
    def test_a_web_page_is_recognised(self, upstream: Upstream, toy: Any, site: Site, tmp_path: Path) -> None:
        imitation = toy(upstream)
        for path in files_below(imitation.home):
            (imitation.home / path).write_bytes(PAGE)
        site.kind = "text/html; charset=utf-8"
        with pytest.raises(DataError, match=r"gives a web page; .*login or a proxy.*data\.mirror"):
            fetch(imitation.upstream, tmp_path / "got/toy", None)
        assert files_below(tmp_path / "got") == {}

    def test_an_address_that_cannot_be_reached_is_named(self, toy: Any, site: Site, tmp_path: Path) -> None:
        upstream = toy(SINGLE).upstream
        home = tuple(replace(one, url=f"http://127.0.0.1:1/{one.path}") for one in upstream.home)
        with pytest.raises(DataError, match=rf"http://127.0.0.1:1/a.csv: cannot be downloaded .*{MIRROR}"):
            fetch(replace(upstream, home=home), tmp_path / "got/toy", None)

    def test_it_says_how_far_it_is_and_nothing_else(self, toy: Any, site: Site, tmp_path: Path) -> None:
        """Without a known hash, too, where pooch would like to give advice."""
        toy(PACKED)
        script = (
            "import logging, sys\n"
            "from pathlib import Path\n"
            "from ucmkd.data.upstream import download\n"
            "logging.basicConfig(level=logging.INFO, format='%(name)s %(message)s')\n"
            "download(sys.argv[1], Path(sys.argv[2]))\n"
        )
        result = subprocess.run(
            [sys.executable, "-c", script, f"{site.address}/archive", str(tmp_path / "got")],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        )
        assert result.stdout == ""
        assert result.stderr == f"ucmkd.data.upstream {site.address}/archive: 0 MiB\n"
        assert (tmp_path / "got").read_bytes() == (tmp_path / "home/archive").read_bytes()


class TestFullDisk:
    @staticmethod
    def fill_up(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> None:
        """Let the disk be full after the first byte that a function of a module copies."""

        def copy(source: Any, target: Any, *_: Any) -> None:
            with open(target, "wb") if isinstance(target, Path) else target as file:
                file.write(b"1")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(module, name, copy)

    def test_nothing_is_left_of_what_was_unpacked(
        self, toy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        imitation = toy(PACKED)
        self.fill_up(monkeypatch, tarfile, "copyfileobj")
        with pytest.raises(DataError, match=r"got/toy: cannot be filled .*No space left .*make room"):
            fetch(imitation.upstream, tmp_path / "got/toy", imitation.mirror)
        assert list((tmp_path / "got").iterdir()) == []

    def test_what_was_downloaded_waits_until_there_is_room(
        self, toy: Any, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        imitation = toy(SINGLE)
        with monkeypatch.context() as patch:
            self.fill_up(patch, shutil, "copyfile")
            with pytest.raises(DataError, match=r"No space left .*make room"):
                fetch(imitation.upstream, tmp_path / "got/toy", None)
        assert [path.name for path in (tmp_path / "got").iterdir()] == [".toy.download"]
        fetch(imitation.upstream, tmp_path / "got/toy", None)
        assert [path for path, _ in site.asked] == ["/a.csv", "/parts/b.csv"]

    @pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
    def test_a_folder_that_cannot_be_written_is_named(self, toy: Any, tmp_path: Path) -> None:
        imitation = toy(SINGLE)
        (tmp_path / "got").mkdir(mode=0o500)
        with pytest.raises(DataError, match=r"got/toy: cannot be filled .*Permission denied"):
            fetch(imitation.upstream, tmp_path / "got/toy", imitation.mirror)


class TestJobs:
    def test_fetch_and_prepare(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        imitation = imitate("rosmap", tmp_path)
        monkeypatch.setattr(rosmap.Dataset, "upstream", imitation.upstream)
        monkeypatch.setenv(MIRROR, str(imitation.mirror))
        monkeypatch.chdir(tmp_path)
        fetch_spec = {"kind": "rosmap", "folder": "results/downloads/rosmap"}
        prepare_spec = {
            "dataset": "rosmap_mirna",
            "kind": "rosmap",
            "settings": {"omics": "mirna"},
            "stamp": "",
            "downloads": "results/downloads",
            "scratch": "results/scratch/rosmap_mirna",
            "folder": "results/data/rosmap_mirna",
        }
        assert jobs.main(["fetch", json.dumps(fetch_spec)]) == 0
        assert jobs.main(["prepare", json.dumps(prepare_spec)]) == 0
        card = json.loads((tmp_path / "results/data/rosmap_mirna/card.json").read_text())
        assert card["name"] == "rosmap_mirna"
        assert card["settings"] == {"kind": "rosmap", "omics": "mirna"}
        assert card["shape"] == [200]

    def test_a_kind_that_is_not_fetched_is_refused(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert jobs.main(["fetch", '{"kind": "handwritten_digits", "folder": "x"}']) == 2
        assert "handwritten_digits: is not fetched" in capsys.readouterr().err


@pytest.mark.network
@pytest.mark.parametrize("kind", PUBLIC)
def test_the_home_of_a_public_data_set_still_has_it(kind: str, tmp_path: Path) -> None:
    upstream = dataset_class(kind).upstream
    assert upstream is not None
    fetch(upstream, tmp_path / kind, None)
