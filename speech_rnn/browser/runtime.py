"""onnxruntime-web, the runtime of the page: fetched once by npm, checked, and kept in the cache."""

from __future__ import annotations

import base64
import hashlib
import logging
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from speech_rnn.errors import ConfigurationError, DataError
from speech_rnn.storage import atomic
from speech_rnn.storage.folders import cache_folder, writing
from speech_rnn.storage.hashing import file_sha256

log = logging.getLogger(__name__)

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
LICENCE = "MIT"
INTEGRITY = (
    "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZ"
    "ClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
)
"""Hash of the package, as npm writes it."""
SCRIPT, WASM = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
FILES = {
    SCRIPT: "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    WASM: "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
"""The fewest files that suffice, with their SHA-256. With one thread they need no page that is
isolated from other origins."""
ARCHIVE = f"{PACKAGE}-{VERSION}.tgz"
PLACES = ("", "dist", "package/dist", f"node_modules/{PACKAGE}/dist")
"""Subfolders in which the files are looked for."""
SECONDS = 600
"""Time after which npm is given up."""


def cached_runtime() -> Path | None:
    """Return the folder of the cache that holds the files, checked, or None."""
    folder = cache_folder(f"{PACKAGE}-{VERSION}")
    return folder if _is_whole(folder) else None


def find_runtime(folder: str | Path | None = None) -> Path:
    """Return a folder that holds the files; those of elsewhere are copied into the cache.

    Parameters
    ----------
    folder : a folder with the files, the unpacked package or its archive. None takes the cache, or
        fetches the package by npm, with the user's own settings of npm.

    Raises
    ------
    DataError
        if the folder lacks the files of this version, if npm fails, if the package has another
        hash, or if the cache cannot be written.
    ConfigurationError
        if npm is needed and not installed.
    """
    if folder is not None:
        return _kept(_files_in(Path(folder)))
    return cached_runtime() or _fetched()


def how_to_get() -> str:
    """Return the line for a person who lacks the files."""
    return f"the page needs {PACKAGE} {VERSION}: run  speech-rnn page --output page"


def _is_whole(folder: Path) -> bool:
    return all(
        (folder / name).is_file() and file_sha256(folder / name) == sha256
        for name, sha256 in FILES.items()
    )


def _kept(files: dict[str, bytes]) -> Path:
    """Write files into the cache and return its folder."""
    target = cache_folder(f"{PACKAGE}-{VERSION}")
    with writing(target, "cache"):
        target.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            atomic.write(target / name, content)
    return target


def _files_in(folder: Path) -> dict[str, bytes]:
    """Return the contents of the files that a folder has."""
    for place in PLACES:
        if _is_whole(folder / place):
            return {name: (folder / place / name).read_bytes() for name in FILES}
    if (folder / ARCHIVE).is_file():
        return _unpacked(folder / ARCHIVE)
    raise DataError(
        f"runtime={str(folder)!r} lacks {SCRIPT} and {WASM} of {PACKAGE} {VERSION}; "
        f"npm pack {PACKAGE}@{VERSION} writes {ARCHIVE}, which may lie there, too"
    )


def _fetched() -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise ConfigurationError(
            f"npm is not installed, which fetches {PACKAGE} {VERSION}: install Node.js, or give "
            f"--runtime DIR, a folder with {ARCHIVE}"
        )
    log.info("fetching %s %s (licence %s) by npm", PACKAGE, VERSION, LICENCE)
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", f"{PACKAGE}@{VERSION}", "--pack-destination", folder]
        try:
            result = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, timeout=SECONDS
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _not_fetched(str(error)) from error
        if result.returncode or not (Path(folder) / ARCHIVE).is_file():
            raise _not_fetched(result.stderr)
        return _kept(_unpacked(Path(folder) / ARCHIVE))


def _not_fetched(reason: str) -> DataError:
    lines = [line for line in reason.splitlines() if line.strip() and "complete log" not in line]
    return DataError(
        f"npm cannot fetch {PACKAGE} {VERSION} ({' '.join(lines)[:200]}); try again, or give "
        f"--runtime DIR, a folder with {ARCHIVE}"
    )


def _unpacked(archive: Path) -> dict[str, bytes]:
    """Return the contents of the files in a package, whose hash must be right."""
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if f"sha512-{digest}" != INTEGRITY:
        raise DataError(
            f"{archive.name} has the hash sha512-{digest}, not {INTEGRITY}: it is not the package "
            f"{PACKAGE} {VERSION}, or it was changed; fetch it from another place"
        )
    with tarfile.open(archive) as package:
        found = {}
        for name in FILES:
            member = package.extractfile(f"package/dist/{name}")
            assert member is not None
            found[name] = member.read()
    return found
