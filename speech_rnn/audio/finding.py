"""Find sound files on a command line and in folders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from speech_rnn.audio.headers import Sound
from speech_rnn.errors import ConfigurationError, DataError

AUDIO_SUFFIXES = frozenset(
    {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64"}
)
"""Endings of sound files in folders; a file that is given by its path may have any."""


def find_audio(
    paths: Sequence[str], *, recursive: bool = False, stdin: BinaryIO | None = None
) -> list[tuple[str, Sound]]:
    """Return (name, sound) for files, for the sound files of folders, sorted, and for ``-``.

    Names that start with a dot are left alone in folders. A missing file is returned too: its
    reader raises an error with its name.

    Raises
    ------
    ConfigurationError
        for a folder without sound files.
    """
    found: list[tuple[str, Sound]] = []
    for given in paths:
        path = Path(given)
        if given == "-" and stdin is not None:
            found.append((given, stdin))
        elif path.is_dir():
            files = [*sounds_below(path, recursive=recursive)]
            if not files:
                hint = "" if recursive else "; --recursive looks into its folders"
                raise ConfigurationError(f"path={given!r} holds no sound files{hint}")
            found += [(str(file), file) for file in files]
        else:
            found.append((given, path))
    return found


def sounds_below(folder: Path, *, recursive: bool = True) -> Iterator[Path]:
    """List the sound files of a folder, sorted; names that start with a dot are left alone."""
    for file in sorted(folder.rglob("*") if recursive else folder.iterdir()):
        hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        if file.suffix.lower() in AUDIO_SUFFIXES and not hidden and file.is_file():
            yield file


def sound_files(paths: str | Iterable[str], name: str) -> list[Path]:
    """List sound files, and those below folders; one path may stand alone.

    Raises
    ------
    DataError
        for a path that is neither; the message calls it `name`.
    """
    files: list[Path] = []
    for path in map(Path, [paths] if isinstance(paths, str) else paths):
        found = [path] if path.is_file() else list(sounds_below(path))
        if not found:
            raise DataError(f"{name}={str(path)!r} is no sound file, nor a folder of them")
        files += found
    return files
