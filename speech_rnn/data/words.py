"""Normalise texts of clips for comparison: spaces, Unicode forms, and words that look alike."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any
from unicodedata import category, normalize

from speech_rnn.errors import ConfigurationError

MOST_CHARACTERS = 40
"""Longest part of a wrong value that a message shows, in characters."""


def clean(text: str) -> str:
    """Return a text in Unicode's composed form (NFC), with single spaces and none at its ends.

    Line ends, tabs and the like become spaces.
    """
    return normalize("NFC", " ".join(text.split()))


def text_of(value: Any, name: str) -> str:
    """Return a value of JSON or YAML as a normalised text; numbers are taken as texts.

    Raises
    ------
    ValueError
        if it is a boolean (YAML reads words such as yes and no as one), a list, null, or a number
        that is not finite.
    """
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, bool):
        raise ValueError(
            f"{name}={str(value).lower()} must be a text; words such as yes, no, true and false "
            "need quotes"
        )
    if isinstance(value, float) and math.isfinite(value):
        return str(int(value)) if value.is_integer() else str(value)
    if isinstance(value, int):
        return str(value)
    raise ValueError(f"{name}={str(value)[:MOST_CHARACTERS]} must be a text")


def names_of(names: str | Iterable[str]) -> list[str]:
    """Return names as a list; a single name may be given without a list."""
    return [names] if isinstance(names, str) else list(names)


def texts_of(words: Any) -> list[str]:
    """Return the words of a configuration as normalised texts; numbers are taken as texts.

    Raises
    ------
    ConfigurationError
        if it is not a list of texts, is empty, or has a word twice.
    """
    if isinstance(words, str) or not isinstance(words, Sequence):
        raise ConfigurationError(f"words={words!r} must be a list of texts")
    try:
        texts = [text_of(word, "word") for word in words]
    except ValueError as error:
        raise ConfigurationError(
            f"words={list(words)!r} must be a list of texts; in YAML, words such as yes, no, on "
            "and off need quotes"
        ) from error
    if not texts or "" in texts or len(set(texts)) < len(texts):
        raise ConfigurationError(
            f"words={list(words)!r} must name at least one word, and none twice"
        )
    return texts


def look_alike(words: Iterable[str]) -> list[list[str]]:
    """Return the groups of words that differ only in case, spaces, marks or width of letters.

    Examples are ``Yes`` and ``yes``, or ``don't`` and ``dont``.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for word in dict.fromkeys(words):
        plain = normalize("NFKC", word).casefold()
        # Marks (category M) are kept: they are the vowels of many scripts.
        letters = "".join(character for character in plain if category(character)[0] in "LMN")
        groups[letters or plain].append(word)
    return [group for group in groups.values() if len(group) > 1]
