"""Texts of clips as they are compared: blanks, Unicode forms, and words that look alike."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any
from unicodedata import category, normalize

from speech_rnn.errors import ConfigurationError

MOST_CHARACTERS = 40
"""Characters of a wrong value that a message shows."""


def clean(text: str) -> str:
    """Return a text with single blanks, none at its ends, in Unicode's composed form (NFC).

    Line ends, tabs and the like are blanks.
    """
    return normalize("NFC", " ".join(text.split()))


def text_of(value: Any, name: str) -> str:
    """Return a value of JSON or YAML as a clean text; a number is taken as its text.

    Raises
    ------
    ValueError
        for booleans, which stand for words such as yes and no, for lists, for null, and for what
        is no finite number.
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
    """Return names as a list; one may stand alone."""
    return [names] if isinstance(names, str) else list(names)


def texts_of(words: Any) -> list[str]:
    """Return a configuration's list of words as clean texts; numbers are taken as texts.

    Raises
    ------
    ConfigurationError
        for what is no list of texts, for none, and for words that are given twice.
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
        raise ConfigurationError(f"words={list(words)!r} must name each word once, at least one")
    return texts


def look_alike(words: Iterable[str]) -> list[list[str]]:
    """Return the groups of words that differ only by case, blanks, marks or the width of letters.

    Such as ``Yes`` and ``yes``, or ``don't`` and ``dont``.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for word in dict.fromkeys(words):
        plain = normalize("NFKC", word).casefold()
        # Marks (M) are the vowels of many scripts.
        letters = "".join(character for character in plain if category(character)[0] in "LMN")
        groups[letters or plain].append(word)
    return [group for group in groups.values() if len(group) > 1]
