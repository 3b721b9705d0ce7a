"""The files of Kokoro-82M: where they are, and their download from the release of kokoro-onnx."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from speech_rnn.data.download import alone, download
from speech_rnn.storage import folders

log = logging.getLogger(__name__)

PAGE = "https://github.com/thewh1teagle/kokoro-onnx/releases/tag/model-files-v1.0"
RELEASE = "https://github.com/thewh1teagle/kokoro-onnx/releases/download/model-files-v1.0"
LICENCE = "Apache-2.0"
MODEL, VOICES = "kokoro-v1.0.int8.onnx", "voices-v1.0.bin"
ATTEMPTS = 3
"""Attempts in a row without a new byte; without a network, the error comes after two seconds."""


@dataclass(frozen=True)
class Released:
    """A file of the release: its size in bytes, and its SHA-256 in hex."""

    size: int
    sha256: str


FILES: Mapping[str, Released] = {
    MODEL: Released(92_361_271, "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"),
    VOICES: Released(
        28_214_398, "bca610b8308e8d99f32e6fe4197e7ec01679264efed0cac9140fe9c29f1fbf7d"
    ),
}


def cache_folder() -> Path:
    """Return the folder of downloaded files; see `folders.cache_folder`."""
    return folders.cache_folder("kokoro")


def found(folder: str | Path) -> dict[str, Path]:
    """Return the existing files by name, from a folder or from the cache."""
    places = (Path(folder), cache_folder())
    return {
        name: next(place / name for place in places if (place / name).is_file())
        for name in FILES
        if any((place / name).is_file() for place in places)
    }


def lacking(folder: str | Path) -> list[str]:
    """Return the names of the files that are neither in a folder nor in the cache."""
    there = found(folder)
    return [name for name in FILES if name not in there]


def megabytes(names: list[str]) -> int:
    """Return the total size of files in MB."""
    return round(sum(FILES[name].size for name in names) / 1e6)


def fetch(folder: str | Path) -> None:
    """Download into the cache the files that are neither in a folder nor in the cache.

    Each download is logged first, with address, size, SHA-256 and licence. An interrupted download
    continues where it stopped; see `download`. If several processes ask, one downloads and the
    others wait.

    Raises
    ------
    DataError
        if a file cannot be downloaded, differs from the release, or does not fit on the disk.
    """
    if not lacking(folder):
        return
    target = cache_folder()
    with alone(target):
        wanted = lacking(folder)
        for name in wanted:
            log.info(
                "downloading %s/%s (%s bytes, SHA-256 %s, licence %s) to %s",
                *(RELEASE, name, f"{FILES[name].size:,}", FILES[name].sha256, LICENCE, target),
            )
        for name in wanted:
            download(
                f"{RELEASE}/{name}",
                target / name,
                sha256=FILES[name].sha256,
                size=FILES[name].size,
                attempts=ATTEMPTS,
            )
