"""Files of a public data set: fetched from their home or from a mirror, checked, and unpacked once."""

import gzip
import hashlib
import logging
import os
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any

from ucmkd.errors import DataError
from ucmkd.files import atomic_folder

log = logging.getLogger(__name__)
MIRROR = "UCMKD_DATA_MIRROR"
"""The environment variable that names a folder to take archives from before any address is tried."""

ELSE = f"name a folder of archives in data.mirror or {MIRROR}"
CHUNK = 2**16
"""Bytes that are written at once; so many may be lost when a connection breaks."""

REPORT_MIB = 50


@dataclass(frozen=True)
class Remote:
    """One file: its path within the data set, its address, and the sha256 of its bytes."""

    path: str
    url: str
    sha256: str


@dataclass(frozen=True)
class Archive:
    """A tar.gz archive whose bytes the host may pack anew: what counts is the content, see ``Upstream``.

    Attributes
    ----------
    url : str
    folder : str
        The folder inside that is the root of the data set.
    """

    url: str
    folder: str


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """Where a data set comes from. The mirror and the addresses lead to the same files, which is checked.

    Attributes
    ----------
    name : str
        Of its folder, and of the archive ``<name>.tar.gz`` in a mirror.
    mirror_sha256 : str
        Of that archive, which holds one folder ``<name>``.
    home : tuple of Remote, or Archive
        Single files where there are few, else an archive.
    paths : tuple of str
        Patterns of the files that are kept, relative to the data set's root.
    content_sha256 : str
        See :func:`content_digest`, over the kept files.
    """

    name: str
    mirror_sha256: str
    home: tuple[Remote, ...] | Archive
    paths: tuple[str, ...]
    content_sha256: str


def fetch(upstream: Upstream, folder: str | Path, mirror: str | Path | None) -> None:
    """Put the files of a data set into a folder.

    Parameters
    ----------
    upstream : Upstream
    folder : path
        Appears complete or not at all. What was downloaded so far waits beside it for the next attempt.
    mirror : path, optional
        A folder of archives. An archive that is missing there is downloaded; one that is there and has other
        bytes than it should is an error.

    Raises
    ------
    DataError
        If a hash differs, an archive is damaged or unsafe, an address cannot be reached, there is no such
        mirror, or the files cannot be stored.
    """
    folder = Path(folder)
    waiting = folder.parent / f".{folder.name}.download"
    archive = None if mirror is None else _in_mirror(upstream, Path(mirror))
    try:
        with atomic_folder(folder) as temporary:
            if archive is not None:
                log.info("%s: taken from %s", upstream.name, archive)
                check_sha256(archive, upstream.mirror_sha256)
                unpack(archive, temporary, folder=upstream.name, paths=upstream.paths)
            elif isinstance(upstream.home, Archive):
                _fetch_archive(upstream.home, upstream.paths, waiting, temporary)
            else:
                _fetch_files(upstream.home, waiting, temporary)
            _check_content(upstream, temporary, waiting)
    except OSError as error:
        raise DataError(
            f"{folder}: cannot be filled ({error}); make room on the disk, or make the folder writable, and "
            "run again"
        ) from None
    shutil.rmtree(waiting, ignore_errors=True)


def download(url: str, target: Path, sha256: str | None = None) -> None:
    """Download one file, going on where an earlier attempt stopped.

    Parameters
    ----------
    url : str
    target : path
        Appears complete or not at all. One that is there and has the right hash is kept.
    sha256 : str, optional
        Of the file; None where the host does not promise the same bytes.

    Raises
    ------
    DataError
        If the address cannot be reached, gives a web page, or gives other bytes than ``sha256`` says.
    """
    import pooch
    import requests

    pooch.get_logger().setLevel(logging.WARNING)  # it would ask for hashes that a host does not promise
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        pooch.retrieve(
            url, sha256 and f"sha256:{sha256}", target.name, target.parent, downloader=_go_on(target)
        )
    except requests.RequestException as error:
        raise DataError(
            f"{url}: cannot be downloaded ({error}); run again later, it goes on where it stopped, or {ELSE}"
        ) from None
    except ValueError as error:
        raise DataError(
            f"{url}: not the expected file ({error}); nothing of it was kept, run again"
        ) from None


def unpack(archive: Path, target: Path, *, folder: str, paths: tuple[str, ...]) -> None:
    """Unpack the regular files of one folder of a tar.gz archive that match a pattern.

    Raises
    ------
    DataError
        If it is no archive or is cut short, if a member is a link, a device or leads outside, or if nothing
        matches.
    """
    kept = 0
    try:
        with tarfile.open(archive, "r:gz") as packed:
            for member in packed:
                _refuse_unsafe(member, archive)
                path = PurePosixPath(member.name)
                if member.isdir() or not path.is_relative_to(folder):
                    continue
                inside = path.relative_to(folder)
                if any(fnmatch(str(inside), pattern) for pattern in paths):
                    packed.extract(member.replace(name=str(inside), deep=False), target, filter="data")
                    kept += 1
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DataError(
            f"{archive}: not a whole tar.gz archive ({error}){_looks_like_a_page(archive)}; get it again"
        ) from None
    if not kept:
        raise DataError(f"{archive}: holds none of {', '.join(paths)} in a folder '{folder}'; get it again")


def check_sha256(path: Path, expected: str) -> None:
    """Refuse a file whose bytes are not those expected.

    Raises
    ------
    DataError
        Naming both hashes.
    """
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        raise DataError(
            f"{path}: sha256 is {found}, not {expected}{_looks_like_a_page(path)}; replace or delete it"
        )


def content_digest(folder: Path) -> str:
    """Hash the names and bytes of all files of a folder, whatever their order, times and rights."""
    lines = [
        f"{path.relative_to(folder).as_posix()} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def mirror_folder() -> str | None:
    """Give the mirror that the environment names, if it does."""
    return os.environ.get(MIRROR) or None


def _in_mirror(upstream: Upstream, mirror: Path) -> Path | None:
    if not mirror.is_dir():
        raise DataError(f"{mirror}: no such folder of archives; mend or remove data.mirror or {MIRROR}")
    archive = mirror / f"{upstream.name}.tar.gz"
    if archive.exists():
        return archive
    log.info("%s: not in %s, downloaded instead", upstream.name, mirror)
    return None


def _fetch_archive(home: Archive, paths: tuple[str, ...], waiting: Path, target: Path) -> None:
    packed = waiting / "archive.tar.gz"
    download(home.url, packed)
    try:
        unpack(packed, target, folder=home.folder, paths=paths)
    except DataError as error:
        packed.unlink()
        raise DataError(f"{home.url}: {error}") from None


def _fetch_files(home: tuple[Remote, ...], waiting: Path, target: Path) -> None:
    for remote in home:
        download(remote.url, waiting / remote.sha256, remote.sha256)
        path = target / remote.path
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(waiting / remote.sha256, path)


def _check_content(upstream: Upstream, folder: Path, waiting: Path) -> None:
    found = content_digest(folder)
    if found != upstream.content_sha256:
        shutil.rmtree(waiting, ignore_errors=True)
        raise DataError(
            f"{upstream.name}: the files are not the expected ones (content {found}, expected "
            f"{upstream.content_sha256}); the source has changed: {ELSE}"
        )


def _refuse_unsafe(member: tarfile.TarInfo, archive: Path) -> None:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        what = "leads outside"
    elif not (member.isfile() or member.isdir()):
        what = "is a link or a device"
    else:
        return
    raise DataError(f"{archive}: member '{member.name}' {what}; nothing was kept, do not use this archive")


def _looks_like_a_page(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(256).lstrip().lower()
    return ", but a web page" if start.startswith((b"<!doctype html", b"<html")) else ""


def _go_on(target: Path) -> Callable[[str, str, Any], None]:
    """Make a downloader for pooch that asks only for what an earlier attempt has not brought."""
    import requests

    partial = target.with_name(f"{target.name}.part")

    def downloader(url: str, output_file: str, _pooch: Any) -> None:
        have = partial.stat().st_size if partial.exists() else 0
        # A packed answer would be counted in packed bytes, and could not be gone on with.
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        with requests.get(url, headers=headers, stream=True, timeout=60) as answer:
            if answer.status_code != requests.codes.requested_range_not_satisfiable:  # all of it is there
                answer.raise_for_status()
                if answer.headers.get("Content-Type", "").startswith("text/html"):
                    raise DataError(f"{url}: gives a web page; is there a login or a proxy between? {ELSE}")
                mode = "ab" if answer.status_code == requests.codes.partial_content else "wb"
                with partial.open(mode) as file:
                    for chunk in _reported(answer.iter_content(CHUNK), url):
                        file.write(chunk)
        partial.replace(output_file)

    return downloader


def _reported(chunks: Iterator[bytes], url: str) -> Iterator[bytes]:
    for number, chunk in enumerate(chunks):
        mib, rest = divmod(number * CHUNK, 2**20)
        if rest == 0 and mib % REPORT_MIB == 0:
            log.info("%s: %d MiB", url, mib)
        yield chunk
