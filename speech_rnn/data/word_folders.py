"""Words as folders: the word of a folder's name, and the folders of a root."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from unicodedata import normalize

from speech_rnn.audio.containers import AUDIO_SUFFIXES, FOREIGN_SUFFIXES
from speech_rnn.data.words import clean
from speech_rnn.errors import ConfigurationError, DataError
from speech_rnn.storage.text import is_text

NOISE = "_background_noise_"
NO_WORDS = (NOISE, "__MACOSX")
"""Folders that are not words: noise, and what macOS adds to zip files."""
SPLIT_FOLDERS = frozenset(
    ("train", "training", "validation", "valid", "val", "dev", "test", "testing", "eval")
)
SHOWN = 5
"""Number of folders that a message names."""

log = logging.getLogger(__name__)


def word_folders(root: Path, name: str = "root") -> dict[str, list[Path]]:
    """Return the folders of each word below a root.

    Parameters
    ----------
    root : the folder that holds the folders of words.
    name : name of the parameter, for the error.

    Raises
    ------
    DataError
        if the root is not a folder, is empty, or has folders whose names are not UTF-8; if it is
        one level too high, so that its only folder holds the folders of words; and if its folders
        are named after splits.
    """
    if not root.is_dir():
        raise DataError(
            f"{name}={str(root)!r} is not a folder; it must hold one folder for each word"
        )
    words: dict[str, list[Path]] = {}
    folders = _below(root)
    for folder in folders:
        words.setdefault(word_of(folder.name), []).append(folder)
    if unreadable := [word for word in words if not is_text(word)]:
        raise DataError(
            f"{name}={str(root)!r}: the names of these folders are not UTF-8 and cannot be "
            f"words: {', '.join(unreadable)}; rename them"
        )
    if not words:
        raise DataError(
            f"{name}={str(root)!r} holds no folders; it must hold one folder for each word, "
            "such as go/ and stop/, with the recordings in them"
        )
    splits = [one for one in folders if one.name.lower() in SPLIT_FOLDERS and _below(one)]
    if len(splits) > 1 or splits == folders:
        raise DataError(
            f"{name}={str(root)!r} holds folders of splits "
            f"({', '.join(folder.name for folder in splits)}), not of words: join them into "
            "one folder for each word, or write a manifest with a column split"
        )
    nested = [one for one in folders if not _sounds(one) and len(_below(_lowest(one))) > 1]
    if nested == folders:
        place = _lowest(folders[0])
        inner = [folder.name for folder in _below(place)]
        layout = f"lie in folders of their own ({', '.join(inner[:SHOWN])}"
        layout += ", …)" if len(inner) > SHOWN else ")"
        if len(folders) == 1:
            raise DataError(
                f"{name}={str(root)!r} holds one word, {folders[0].name!r}, whose clips {layout}; "
                f"did you mean {name}={str(place)!r}?"
            )
        log.warning("the clips of %r and of each other word %s; if these are the words, set "
                    "%s=%r", folders[0].name, layout, name, str(place))  # fmt: skip
    return words


def _below(folder: Path) -> list[Path]:
    return [
        path
        for path in sorted(folder.iterdir())
        if path.is_dir() and path.name not in NO_WORDS and not path.name.startswith(".")
    ]


def _lowest(folder: Path) -> Path:
    """Return the first folder, starting here and going down, that holds more than one folder."""
    while not _sounds(folder) and len(inner := _below(folder)) == 1:
        folder = inner[0]
    return folder


def _sounds(folder: Path) -> bool:
    """Return whether a folder itself holds sound files."""
    return any(
        path.suffix.lower() in AUDIO_SUFFIXES | FOREIGN_SUFFIXES for path in folder.iterdir()
    )


def word_of(name: str) -> str:
    """Return the word that the name of a folder stands for.

    ``lights_on`` is "lights on" and ``turn__on`` is "turn_on": ``_`` is a space and ``__`` an
    underscore. A name that starts with ``_``, such as ``_unknown_``, is the word itself. Spaces
    and accents are normalised by `clean`, because macOS may return decomposed letters.
    """
    if name.startswith("_"):
        return clean(name)
    return clean(re.sub("__?", lambda found: "_" if len(found[0]) == 2 else " ", name))


def folder_of(word: str) -> str:
    """Return the folder name that `word_of` turns into the word.

    Raises
    ------
    ConfigurationError
        if no folder can have this name: the word is empty, starts with a dot, contains a slash or
        the like, or has a space at its start or before an underscore.
    """
    word = normalize("NFC", word)
    name = word if word.startswith("_") else word.replace("_", "__").replace(" ", "_")
    bad = not word.strip() or word.startswith(".") or re.search(r'[/\\:*?"<>|\x00-\x1f]', word)
    if bad or word_of(name) != word:
        raise ConfigurationError(
            f"word={word!r} cannot be the name of a folder; choose another name"
        )
    return name
