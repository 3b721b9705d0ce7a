"""Texts as they were written."""

from __future__ import annotations

import io
import os
from pathlib import Path

from speech_rnn.errors import DataError


def read_text(path: str | os.PathLike[str], name: str) -> str:
    """Read a file of UTF-8; its line ends stay as they are.

    Parameters
    ----------
    path : the file.
    name : the parameter that gave the path, for the error.

    Raises
    ------
    DataError
        if it cannot be read.
    """
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{name}={str(path)!r} cannot be read: {error}") from error


def read_lines(path: str | os.PathLike[str], name: str) -> list[str]:
    r"""Read the lines of a file, without their ends: ``\n``, ``\r\n`` or ``\r``.

    `str.splitlines` would also cut at form feeds, U+0085 and U+2028, which are part of a line.
    Parameters and errors are those of `read_text`.
    """
    return [line.rstrip("\n") for line in io.StringIO(read_text(path, name), newline=None)]
