"""Read texts with their line ends."""

from __future__ import annotations

import codecs
import io
import os
from pathlib import Path

from speech_rnn.errors import DataError


def read_text(path: str | os.PathLike[str], name: str) -> str:
    """Read a file in UTF-8, or in UTF-16 with a byte-order mark; line ends are not changed.

    Parameters
    ----------
    path : the file.
    name : the parameter that gave the path, for the error.

    Raises
    ------
    DataError
        if the file cannot be read.
    """
    try:
        content = Path(path).read_bytes()
        is_utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        return content.decode("utf-16" if is_utf_16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name}={str(path)!r} cannot be read: its text is not UTF-8 ({error.reason} at byte "
            f"{error.start}); save it as UTF-8"
        ) from error
    except OSError as error:
        raise DataError(f"{name}={str(path)!r} cannot be read: {error}") from error


def is_text(name: str) -> bool:
    """Return whether a file name is valid text; names that are not UTF-8 hold lone surrogates."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def read_lines(path: str | os.PathLike[str], name: str) -> list[str]:
    r"""Read the lines of a file, without their ends: ``\n``, ``\r\n`` or ``\r``.

    Unlike `str.splitlines`, it does not split at form feeds, U+0085 and U+2028, which are part of a
    line. Parameters and errors are those of `read_text`.
    """
    return lines_of(read_text(path, name))


def lines_of(text: str) -> list[str]:
    """Split a text into lines as `read_lines` does."""
    return [line.rstrip("\n") for line in io.StringIO(text, newline=None)]
