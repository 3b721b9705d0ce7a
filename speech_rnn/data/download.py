"""Download archives over HTTP: resumable, verified by hash, written completely or not at all."""

from __future__ import annotations

import errno
import logging
import lzma
import os
import re
import shutil
import ssl
import tarfile
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

from speech_rnn.errors import ConfigurationError, DataError
from speech_rnn.storage.folders import locked
from speech_rnn.storage.hashing import file_sha256

CHUNK_BYTES = 1 << 18
# The status codes 408, 429 and 5xx are temporary; any other 4xx is permanent.
PASSING_STATUSES = (408, 429)

log = logging.getLogger(__name__)


def fetch(
    url: str,
    folder: str | Path,
    *,
    sha256: str | None,
    size: int | None = None,
    archive: str | Path | None = None,
) -> Path:
    """Download an archive and unpack it as `folder`, unless `folder` is there already.

    Several processes may ask for the same folder at once (ranks of a training, jobs of a sweep):
    one downloads, the others wait.

    Parameters
    ----------
    url, sha256, size : as in `download`.
    folder : the folder of the unpacked archive, see `extract`.
    archive : path of the archive; None is ``<folder>.tar.gz``. If that file exists, it is
        used without a download.

    Returns
    -------
    The folder.

    Raises
    ------
    DataError
        in the cases in which `download` and `extract` raise.
    """
    folder = Path(folder)
    archive = Path(archive) if archive else folder.with_name(f"{folder.name}.tar.gz")
    with alone(folder):
        if not folder.exists():
            extract(download(url, archive, sha256=sha256, size=size), folder)
    return folder


def download(
    url: str,
    path: str | Path,
    *,
    sha256: str | None,
    size: int | None = None,
    attempts: int = 6,
    backoff_seconds: float = 0.5,
    timeout_seconds: float = 30.0,
) -> Path:
    """Download a file, unless it exists already, and check its hash.

    Received bytes are kept in ``<path>.part``. After a lost connection, this call or a later one
    continues with an HTTP range request (RFC 9110, section 14), or starts over if the server does
    not support it. `path` itself appears complete and verified, or not at all. A progress bar is
    shown on terminals only.

    Parameters
    ----------
    url : a URL that starts with ``https://``, ``http://`` or ``file://``.
    path : destination; an existing file is checked and kept.
    sha256 : hash of the whole file, in hex; None accepts any file.
    size : size of the whole file in bytes, if known.
    attempts : failures in a row before it gives up; any new byte resets the count.
    backoff_seconds : pause after the first failure; it doubles with each further one.
    timeout_seconds : longest wait for a connection, and for each next piece of data.

    Returns
    -------
    The path.

    Raises
    ------
    ConfigurationError
        if the URL is of another kind.
    DataError
        if the file cannot be downloaded, has another hash or size, or does not fit on the disk.
    """
    if urlsplit(url).scheme not in ("https", "http", "file"):
        raise ConfigurationError(f"url={url!r} must start with https://, http:// or file://")
    path = Path(path)
    if path.exists():
        found = _sha256(path)
        if sha256 and found != sha256.lower():
            raise DataError(
                f"path={str(path)!r} has SHA-256 {found}, not {sha256}: "
                f"delete it to have it downloaded from {url}"
            )
        return path
    part = path.with_name(path.name + ".part")
    with _on_disk(part):
        part.parent.mkdir(parents=True, exist_ok=True)
    with _bar(path.name) as show:
        transfer = _Transfer(url, part, size, timeout_seconds, show)
        transfer.persist(1 if urlsplit(url).scheme == "file" else attempts, backoff_seconds)
    found = _sha256(part)
    if sha256 and found != sha256.lower():
        part.unlink()
        raise DataError(
            f"url={url!r} gave a file with SHA-256 {found}, not {sha256}; it was removed: "
            "try again, or give the hash of the right file"
        )
    with _on_disk(path):
        part.replace(path)
    return path


def extract(archive: str | Path, folder: str | Path) -> Path:
    """Unpack a tar archive (plain, gzip, bzip2 or xz) as `folder`.

    It is unpacked as ``<folder>.part`` and renamed at the end, so that an incomplete tree is never
    mistaken for a complete one, and a rejected archive leaves nothing behind. Only contents and
    names are taken from the archive, not owners or modes.

    Parameters
    ----------
    archive : the tar file.
    folder : destination, which must not exist or must be empty.

    Returns
    -------
    The folder.

    Raises
    ------
    DataError
            if the archive is incomplete or holds no file; if a member lies outside of the folder,
            is a link or a device; if the folder is not empty; and if the disk is full.
    """
    archive, folder = Path(archive), Path(folder)
    part = folder.with_name(folder.name + ".part")
    with _on_disk(folder):
        if folder.exists():
            if not folder.is_dir() or any(folder.iterdir()):
                raise DataError(
                    f"folder={str(folder)!r} is there already: remove it, or name another"
                )
            folder.rmdir()
        if part.exists():  # left by a run that was killed
            shutil.rmtree(part)
        part.mkdir(parents=True)
    try:
        _check_room(folder, _unpacked_bytes(archive))
        if not _unpack(archive, part):
            raise DataError(f"archive={str(archive)!r} holds no files")
        with _on_disk(folder):
            part.replace(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Wait until no other process works on `path`; the kernel frees the lock of a dead process.

    Raises
    ------
    DataError
        if the folder of `path` cannot be created or written.
    """
    with _on_disk(path), ExitStack() as stack:
        path.parent.mkdir(parents=True, exist_ok=True)
        stack.enter_context(locked(path.with_name(f".{path.name}.lock")))
        holding = stack.pop_all()
    with holding:
        yield


Show = Callable[[int, "int | None"], None]


class _CutError(Exception):
    """The connection broke or the server was busy, so another attempt makes sense."""


@dataclass(frozen=True)
class _Transfer:
    """A download in progress; `part` holds the bytes so far."""

    url: str
    part: Path
    size: int | None
    timeout_seconds: float
    show: Show

    @property
    def offset(self) -> int:
        """Number of bytes received so far."""
        return self.part.stat().st_size if self.part.exists() else 0

    @property
    def by_hand(self) -> str:
        return f"get the file by other means and place it at {self.part.with_suffix('')}"

    def persist(self, attempts: int, backoff_seconds: float) -> None:
        """Download until the part is complete; any new byte resets the number of attempts."""
        most, tries = self.offset, 0
        while self.size is None or self.offset != self.size:
            try:
                return self.fetch()
            except _CutError as cut:
                tries = 1 if self.offset > most else tries + 1
                most = max(most, self.offset)
                if tries >= attempts:
                    raise DataError(
                        f"url={self.url!r} could not be fetched: {cut}. Check the network and run "
                        f"again (it continues after {self.offset} bytes), or {self.by_hand}"
                    ) from cut
                pause = backoff_seconds * 2 ** (tries - 1)
                log.warning("%s: %s; trying again in %g s", self.url, cut, pause)
                time.sleep(pause)

    def fetch(self) -> None:
        """Send one request for the missing bytes, and append them to the part."""
        offset, url = self.offset, self.url
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        request = urllib.request.Request(url, headers=headers)
        try:
            answer = urllib.request.urlopen(request, timeout=self.timeout_seconds)
        except urllib.error.HTTPError as error:
            with error:
                return self.judge(error, offset)
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, ssl.SSLCertVerificationError):
                raise DataError(f"url={url!r} cannot be trusted: {reason}") from error
            raise _CutError(str(reason) or type(reason).__name__) from error
        with answer as response:
            first, total = _extent(response)
            if first not in (0, offset):
                self.part.unlink()
                raise _CutError(f"the server sent bytes from {first} on instead of {offset}")
            if self.size is not None and total not in (None, self.size):
                raise DataError(
                    f"url={url!r} announces {total} bytes, not size={self.size}: another file?"
                )
            total = self.size if total is None else total
            with _on_disk(self.part), self.part.open("ab" if first else "wb") as file:
                _check_room(self.part, (total or 0) - first)
                for chunk in _chunks(response):
                    file.write(chunk)
                    self.show(file.tell(), total)
        if total is not None and self.offset < total:
            raise _CutError(f"the connection was cut after {self.offset} of {total} bytes")

    def judge(self, error: urllib.error.HTTPError, offset: int) -> None:
        """Return if the part is complete; raise `_CutError` if temporary, otherwise `DataError`."""
        if error.code == 416 and offset:
            if error.headers["Content-Range"] == f"bytes */{offset}":
                return
            self.part.unlink()
            raise _CutError(
                f"{self.part.name} is not a part of this file and was removed"
            ) from error
        if error.code in PASSING_STATUSES or error.code >= 500:
            raise _CutError(f"the server answers {error.code} {error.reason}") from error
        raise DataError(
            f"url={self.url!r} is answered by {error.code} {error.reason}: correct the URL, or "
            f"{self.by_hand}"
        ) from error


def _extent(response: Any) -> tuple[int, int | None]:
    """Return the position of the first byte of a response, and the length of the whole file."""
    length = response.headers["Content-Length"]
    length = int(length) if (length or "").isdigit() else None
    if response.status != 206:
        return 0, length
    announced = response.headers["Content-Range"]
    found = re.match(r"bytes (\d+)-\d+/(\d+|\*)", announced or "")
    if found is None:
        raise _CutError(f"the server sent a part with Content-Range {announced!r}")
    first = int(found[1])
    return first, int(found[2]) if found[2] != "*" else length and first + length


def _chunks(response: Any) -> Iterator[bytes]:
    try:
        # read1 returns what arrived before a cut; read would lose up to one chunk of it.
        while chunk := response.read1(CHUNK_BYTES):
            yield chunk
    except (OSError, HTTPException) as error:
        raise _CutError(str(error) or type(error).__name__) from error


def _unpack(archive: Path, folder: Path) -> int:
    """Write the files of an archive into a folder, and return their number."""
    count = 0
    try:
        with (
            archive.open("rb") as packed,
            tarfile.open(fileobj=packed) as tar,
            _bar(f"unpack {archive.name}") as show,
        ):
            for member in tar:
                _refuse(archive, member)
                if hasattr(tarfile, "data_filter"):  # Python 3.10.12 or later
                    tarfile.data_filter(member, str(folder))
                target = folder / member.name
                if member.isdir():
                    target.mkdir(parents=True, exist_ok=True)
                    continue
                content = tar.extractfile(member)
                assert content is not None
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("wb") as file:
                    shutil.copyfileobj(content, file)
                count += 1
                show(packed.tell(), archive.stat().st_size)
            # A tar that was cut between two members is only recognised by its missing end mark.
            if tar.fileobj is not None and tar.fileobj.tell() == tar.offset:
                raise EOFError("the end of the archive is missing")
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise _full(folder) from error
        reason = str(error).split("\n")[0] or type(error).__name__
        raise DataError(
            f"archive={str(archive)!r} cannot be unpacked after {count} files: {reason}; "
            "delete it to have it downloaded again"
        ) from error
    return count


def _refuse(archive: Path, member: tarfile.TarInfo) -> None:
    """Raise if a member is not a plain file or folder, or lies outside of the folder."""
    windows = PureWindowsPath(member.name)
    if PurePosixPath(member.name).is_absolute() or windows.anchor or ".." in windows.parts:
        why = "climbs out of its folder"
    elif member.issym() or member.islnk():
        why = f"is a link to {member.linkname!r}"
    elif not (member.isfile() or member.isdir()):
        why = "is a device, not a file"
    else:
        return
    raise DataError(
        f"archive={str(archive)!r} is refused: its member {member.name!r} {why}; "
        "nothing was unpacked"
    )


def _unpacked_bytes(archive: Path) -> int:
    """Return a lower bound of the unpacked size; gzip stores it modulo 2^32 (RFC 1952)."""
    try:
        with archive.open("rb") as file:
            if file.read(2) != b"\x1f\x8b":
                return archive.stat().st_size
            file.seek(-4, os.SEEK_END)
            return int.from_bytes(file.read(4), "little")
    except OSError as error:
        raise DataError(f"archive={str(archive)!r} cannot be read: {error}") from error


def _check_room(path: Path, needed: int) -> None:
    available = shutil.disk_usage(path.parent).free
    if needed > available:
        raise DataError(
            f"path={str(path)!r} needs {needed} more bytes and its disk has {available} available: "
            "free some space, or choose another folder"
        )


def _full(path: Path) -> DataError:
    return DataError(
        f"path={str(path)!r}: the disk is full, {shutil.disk_usage(path.parent).free} bytes are "
        "available: free some space and run again, or choose another folder"
    )


@contextmanager
def _on_disk(path: Path) -> Iterator[None]:
    """Turn errors of the file system into a `DataError` that names the path."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise _full(path) from error
        raise DataError(f"path={str(path)!r} cannot be written: {error}") from error


@contextmanager
def _bar(name: str) -> Iterator[Show]:
    console = Console(stderr=True)
    if not console.is_terminal:  # rich 13 prints an empty line for a disabled bar
        yield lambda done, total: None
        return
    columns = ("{task.description}", BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(name, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _sha256(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise DataError(f"path={str(path)!r} cannot be read: {error}") from error
