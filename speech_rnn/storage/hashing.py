"""Hashes of files, and stamps that show whether a file was changed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

BLOCK_BYTES = 1 << 20


def file_sha256(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file, which is read in blocks.

    Raises
    ------
    OSError
        if it cannot be read.
    """
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def stamp_of(path: str) -> str:
    """Return the size and the time of change of a file; of the archive for a file in one."""
    for place in (path, os.path.dirname(path)):  # noqa: PTH120 (a million paths)
        try:
            found = os.stat(place)  # noqa: PTH116
        except (OSError, ValueError):
            continue
        return f"{found.st_size} {found.st_mtime_ns}\n"
    return "missing\n"
