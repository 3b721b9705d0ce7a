"""Files that are written completely or not at all."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

MOST_OF_NAME = 24
"""Number of characters of a name that its partial file keeps: at four bytes each, below 255."""
PARTIAL = re.compile(r"\.\d+\.\d+\.part(\.[^.]*)?$")


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path to write to, which replaces `path` at the end of the block.

    It is beside `path`, on the same disk, with the same ending. If the block or the replacement
    raises, `path` is unchanged and the temporary file is removed. Only a killed process leaves it
    behind, see `remove_partial`.
    """
    path = Path(path)
    # Other processes and threads may write the same file; a long name must remain possible.
    own = f"{os.getpid()}.{threading.get_ident()}"
    partial = path.with_name(f".{path.stem[:MOST_OF_NAME]}.{own}.part{path.suffix[:MOST_OF_NAME]}")
    try:
        yield partial
        partial.replace(path)
    finally:
        with suppress(OSError):
            partial.unlink()


def remove_partial(folder: str | os.PathLike[str]) -> None:
    """Remove the partial files of killed processes from a folder that no other process writes."""
    for file in Path(folder).glob(".*.part*"):
        if PARTIAL.search(file.name):
            file.unlink()


def write(path: str | os.PathLike[str], content: str | bytes | memoryview) -> None:
    """Write a file atomically; texts as UTF-8, with unchanged line ends.

    Characters that UTF-8 cannot encode, as from a Latin-1 file name, become backslash escapes.

    Raises
    ------
    OSError
        if it cannot be written, with the name `path`; the existing file is unchanged.
    """
    if isinstance(content, str):
        content = content.encode(errors="backslashreplace")
    try:
        with replacing(path) as partial:
            partial.write_bytes(content)
    except OSError as error:  # it may name the temporary file, or no file
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


def write_json(path: str | os.PathLike[str], value: Any) -> Path:
    """Write plain values as indented JSON atomically, and return the path.

    Raises
    ------
    OSError
        if it cannot be written; the existing file is unchanged.
    """
    write(path, json.dumps(value, indent=2) + "\n")
    return Path(path)
