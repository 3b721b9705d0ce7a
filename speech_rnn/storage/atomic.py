"""Files that appear whole or not at all."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a path to write to, which replaces `path` at the end of the block.

    It lies beside `path`, on the same disk, with the same ending. Where the block or the
    replacement raises, `path` stays as it was and nothing is left beside it.
    """
    path = Path(path)
    # Other processes and threads may write the same file.
    own = f"{os.getpid()}.{threading.get_ident()}"
    partial = path.with_name(f".{path.stem}.{own}.part{path.suffix}")
    try:
        yield partial
        partial.replace(path)
    finally:
        with suppress(OSError):
            partial.unlink()


def write(path: str | os.PathLike[str], content: str | bytes | memoryview) -> None:
    """Write a file at once; a text as UTF-8, with the line ends that it has.

    Raises
    ------
    OSError
        if it cannot be written; `path` stays as it was.
    """
    with replacing(path) as partial:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)


def write_json(path: str | os.PathLike[str], value: Any) -> Path:
    """Write plain values as indented JSON at once, and return the path.

    Raises
    ------
    OSError
        if it cannot be written; `path` stays as it was.
    """
    write(path, json.dumps(value, indent=2) + "\n")
    return Path(path)
