"""Arrays and plain values in one file, which is made again if it is damaged or of another form."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from speech_rnn.storage import atomic

PLAIN, FORMAT = "plain", "format"
"""Names of the plain values in the file, and of its version among them."""


def write_packed(
    path: Path, arrays: Mapping[str, Any], plain: Mapping[str, Any], version: int
) -> None:
    """Write arrays and plain values atomically.

    Raises
    ------
    OSError
        if the file cannot be written.
    """
    content = np.frombuffer(json.dumps({**plain, FORMAT: version}).encode(), np.uint8)
    with atomic.replacing(path) as partial:
        np.savez(partial, **{**arrays, PLAIN: content})


def read_packed(path: Path, version: int) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return arrays and plain values; None if they are missing, damaged or of another version."""
    try:
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files}
        plain = json.loads(arrays.pop(PLAIN).tobytes())
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return (arrays, plain) if plain.pop(FORMAT, None) == version else None
