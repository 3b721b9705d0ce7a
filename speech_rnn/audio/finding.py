"""Find sound files from command-line arguments and in folders."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from speech_rnn.audio.containers import AUDIO_SUFFIXES, FOREIGN_SUFFIXES
from speech_rnn.audio.ffmpeg import PROGRAM, can_convert
from speech_rnn.audio.headers import Sound
from speech_rnn.errors import ConfigurationError, DataError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Below:
    """The sorted sound files of a folder, readable and not.

    Parameters
    ----------
    sounds : files that can be read.
    left_alone : files that only ffmpeg can read, if it is not installed.
    """

    sounds: tuple[Path, ...]
    left_alone: tuple[Path, ...]


def look_below(folder: Path, *, recursive: bool = True) -> Below:
    """Return the sound files of a folder; names that start with a dot are ignored."""
    sounds: list[Path] = []
    left_alone: list[Path] = []
    with_ffmpeg = can_convert()
    for file in sorted(folder.rglob("*") if recursive else folder.iterdir()):
        if any(part.startswith(".") for part in file.relative_to(folder).parts):
            continue
        suffix = file.suffix.lower()
        is_foreign = suffix in FOREIGN_SUFFIXES
        if (is_foreign or suffix in AUDIO_SUFFIXES) and file.is_file():
            (left_alone if is_foreign and not with_ffmpeg else sounds).append(file)
    return Below(tuple(sounds), tuple(left_alone))


def left_alone_line(files: Sequence[Path]) -> str:
    """Return a message with the number and endings of files that cannot be read here."""
    endings = ", ".join(sorted({file.suffix.lower() for file in files}))
    noun = "file that cannot" if len(files) == 1 else "files that cannot"
    return (
        f"left alone: {len(files)} {noun} be read here ({endings}): install {PROGRAM}, or convert "
        "them: ffmpeg -i FILE FILE.wav"
    )


def find_audio(
    paths: Sequence[str],
    *,
    recursive: bool = False,
    stdin: BinaryIO | None = None,
    tell: Callable[[str], None] | None = None,
) -> list[tuple[str, Sound]]:
    """Return (name, sound) for files, for the sorted sound files of folders, and for ``-``.

    In folders, names that start with a dot are ignored. A missing file is returned too, and the
    reader then raises an error with its name.

    Parameters
    ----------
    tell : called once with a message if folders hold files that cannot be read here.

    Raises
    ------
    ConfigurationError
        if a folder has no readable sound files.
    """
    found: list[tuple[str, Sound]] = []
    left_alone: list[Path] = []
    for given in paths:
        path = Path(given)
        if given == "-" and stdin is not None:
            found.append((given, stdin))
        elif path.is_dir():
            below = look_below(path, recursive=recursive)
            if not below.sounds:
                raise ConfigurationError(f"path={given!r} holds no sound files{_hint(path, below)}")
            found += [(str(file), file) for file in below.sounds]
            left_alone += below.left_alone
        else:
            found.append((given, path))
    if left_alone and tell is not None:
        tell(left_alone_line(left_alone))
    return found


def _hint(folder: Path, below: Below) -> str:
    """Return the hint of an error about a folder without sound files."""
    if below.left_alone:
        return f"; {left_alone_line(below.left_alone)}"
    has_folders = any(child.is_dir() for child in folder.iterdir())
    return "; --recursive searches its subfolders too" if has_folders else ""


def sounds_below(folder: Path) -> tuple[Path, ...]:
    """List the sound files of a folder and its subfolders, sorted, as `look_below` does.

    Files that cannot be read here are logged.
    """
    if not folder.is_dir():
        return ()
    below = look_below(folder)
    if below.left_alone:
        log.warning("%s: %s", folder, left_alone_line(below.left_alone))
    return below.sounds


def sound_files(paths: str | Iterable[str], name: str) -> list[Path]:
    """List sound files, and those in folders; a single path may be given without a list.

    Raises
    ------
    DataError
        if a path is neither a sound file nor a folder of them; the message calls it `name`.
    """
    files: list[Path] = []
    for path in map(Path, [paths] if isinstance(paths, str) else paths):
        found = [path] if path.is_file() else list(sounds_below(path))
        if not found:
            raise DataError(f"{name}={str(path)!r} is neither a sound file nor a folder of them")
        files += found
    return files
