"""Find sound files on a command line and in folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from speech_rnn.audio.headers import Sound
from speech_rnn.errors import ConfigurationError

__all__ = ["AUDIO_SUFFIXES", "find_audio"]

AUDIO_SUFFIXES = frozenset(
    {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64"}
)
"""Endings that are looked for in folders; a file that is named may have any."""


def find_audio(
    paths: Sequence[str], *, recursive: bool = False, stdin: BinaryIO | None = None
) -> list[tuple[str, Sound]]:
    """Return (name, sound) for files, for the sound files of folders, sorted, and for ``-``.

    What starts with a dot is left alone in folders. A file that is missing is returned too:
    whoever reads it tells its name.

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
            files = [
                file
                for file in sorted(path.rglob("*") if recursive else path.iterdir())
                if file.suffix.lower() in AUDIO_SUFFIXES
                and not any(part.startswith(".") for part in file.relative_to(path).parts)
                and file.is_file()
            ]
            if not files:
                hint = "" if recursive else "; --recursive looks into its folders"
                raise ConfigurationError(f"path={given!r} holds no sound files{hint}")
            found += [(str(file), file) for file in files]
        else:
            found.append((given, path))
    return found
