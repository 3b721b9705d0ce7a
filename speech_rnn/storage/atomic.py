"""Files that appear whole or not at all."""

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
"""Characters of a name that its partial file keeps: with four bytes each, far below 255."""
PARTIAL = re.compile(r"\.\d+\.\d+\.part(\.[^.]*)?$")


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a path to write to, which replaces `path` at the end of the block.

    It lies beside `path`, on the same disk, with the same ending. Where the block or the
    replacement raises, `path` stays as it was and nothing is left beside it; only a process that is
    killed leaves the partial file, see `remove_partial`.
    """
    path = Path(path)
    # Other processes and threads may write the same file; a long name must stay a possible one.
    own = f"{os.getpid()}.{threading.get_ident()}"
    partial = path.with_name(f".{path.stem[:MOST_OF_NAME]}.{own}.part{path.suffix[:MOST_OF_NAME]}")
    try:
        yield partial
        partial.replace(path)
    finally:
        with suppress(OSError):
            partial.unlink()


def remove_partial(folder: str | os.PathLike[str]) -> None:
    """Remove what killed processes left of `replacing` in a folder that nobody else writes."""
    for file in Path(folder).glob(".*.part*"):
        if PARTIAL.search(file.name):
            file.unlink()


def write(path: str | os.PathLike[str], content: str | bytes | memoryview) -> None:
    """Write a file at once; a text as UTF-8, with the line ends that it has.

    What UTF-8 cannot hold, such as a file name in Latin-1, becomes a backslash escape.

    Raises
    ------
    OSError
        if it cannot be written, with the name `path`; the file stays as it was.
    """
    if isinstance(content, str):
        content = content.encode(errors="backslashreplace")
    try:
        with replacing(path) as partial:
            partial.write_bytes(content)
    except OSError as error:  # may name the partial file, or none
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


def write_json(path: str | os.PathLike[str], value: Any) -> Path:
    """Write plain values as indented JSON at once, and return the path.

    Raises
    ------
    OSError
        if it cannot be written; `path` stays as it was.
    """
    write(path, json.dumps(value, indent=2) + "\n")
    return Path(path)
