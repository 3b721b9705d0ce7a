"""Tar archives: positions of their members, and members by a path that continues in an archive."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from speech_rnn.errors import DataError

SUFFIX = ".tar"
BLOCK = 512
"""Size of the blocks of a tar archive in bytes; it ends with two blocks of zeros."""


class Member(NamedTuple):
    """A file in an archive: its name, and where its content starts and how long it is."""

    name: str
    offset: int
    size: int


def walk(path: str | os.PathLike[str]) -> Iterator[Member]:
    """Yield the files of an archive in their order; it must be whole and not compressed.

    Raises
    ------
    DataError
        if it is missing, empty, cut short, or no such archive.
    """
    name = os.fspath(path)
    try:
        size = os.stat(path).st_size  # noqa: PTH116
        end = 0
        with tarfile.open(path, "r:") as archive:
            for info in archive:
                archive.members = []  # type: ignore[attr-defined]  # it would keep all of them
                end = info.offset_data + -(-info.size // BLOCK) * BLOCK
                if end > size:
                    raise _torn(name)
                if info.isfile():
                    yield Member(info.name, info.offset_data, info.size)
        with Path(path).open("rb") as file:
            file.seek(end)
            if file.read(2 * BLOCK) != bytes(2 * BLOCK):
                raise _torn(name)
    except tarfile.TarError as error:
        if size == 0:
            raise DataError(f"{name}: is empty (0 bytes); write or fetch it again") from error
        raise DataError(
            f"{name}: is cut short, or no tar archive that can be read ({error}); fetch it again, "
            "and unpack it if it is compressed"
        ) from error
    except OSError as error:
        raise DataError(f"{name}: cannot be read ({error.strerror or error})") from error


def _torn(name: str) -> DataError:
    return DataError(f"{name}: is cut short; fetch or write it again")


def parted(path: str) -> tuple[str, str] | None:
    """Return the archive and the member of a path such as ``DIR/a.tar/one.flac``; None for others.

    A folder may be called ``a.tar``, too.
    """
    head, found, name = path.replace(os.sep, "/").partition(f"{SUFFIX}/")
    archive = head + SUFFIX
    return (archive, name) if found and Path(archive).is_file() else None


def read_member(archive: str, name: str) -> bytes:
    """Return the content of a member.

    Raises
    ------
    DataError
        if the archive cannot be read.
    OSError
        if it has no such member.
    """
    found = os.stat(archive)  # noqa: PTH116
    places = _places(archive, found.st_size, found.st_mtime_ns)
    if name not in places:
        raise FileNotFoundError(None, "the archive has no such member", f"{archive}/{name}")
    offset, size = places[name]
    with Path(archive).open("rb") as file:
        file.seek(offset)
        return file.read(size)


@lru_cache(maxsize=4)
def _places(archive: str, size: int, time: int) -> dict[str, tuple[int, int]]:
    """Return the place of each member; size and time tell whether the archive has changed."""
    return {member.name: (member.offset, member.size) for member in walk(archive)}
