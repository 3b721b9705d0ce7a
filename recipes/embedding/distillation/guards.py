"""Keep test material out of training: it never reads a file on which a recogniser is tested."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from speech_rnn.audio.finding import sounds_below
from speech_rnn.data.speech_commands import HELD_OUT_NOISE, which_set
from speech_rnn.errors import ConfigurationError

TESTED = frozenset({"digits", "keywords", "orders", "speech_commands_test_set_v0.02"})
"""Folders whose sounds are used for tests."""


def is_tested(file: Path, root: Path) -> bool:
    """Return whether a sound file is used for tests.

    This is true for files in a folder of `TESTED` at or below `root`, for clips of validation and
    test speakers of Speech Commands (by the corpus's hash rule), and for the noise of all tests.
    """
    folders = {root.name, *file.relative_to(root).parts[:-1]}
    is_split = "_nohash_" in file.name and which_set(file.name) != "train"
    return bool(folders & TESTED) or is_split or file.stem == Path(HELD_OUT_NOISE).stem


def learnable(folder: Path) -> list[Path]:
    """List the sound files at or below a folder, sorted, without those used for tests."""
    if not folder.is_dir():
        return []
    return [file for file in sounds_below(folder) if not is_tested(file, folder)]


def refuse_tested(folders: Iterable[str], name: str) -> None:
    """Raise for folders used for tests; `name` is the setting that names them.

    Raises
    ------
    ConfigurationError
        if there are any, or a folder does not exist.
    """
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise ConfigurationError(f"{name}={str(folder)!r} is not a folder")
        if set(folder.resolve().parts) & TESTED:
            raise ConfigurationError(
                f"{name}={str(folder)!r} is used for tests: name another folder"
            )
