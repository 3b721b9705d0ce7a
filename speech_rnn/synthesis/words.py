"""Check words that are to be spoken, and read them from a text file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any
from unicodedata import category

from speech_rnn.data.words import clean
from speech_rnn.errors import ConfigurationError
from speech_rnn.storage.text import read_lines

COMMENT = "#"


def check_words(words: Sequence[str] | None) -> None:
    """Raise for words that are empty, given twice or not texts; the error lists all of them.

    Raises
    ------
    ConfigurationError
        if there are any such words, or no words at all.
    """
    if words is None:
        raise ConfigurationError(
            "words must be given: words=[lights on,lights off], or words_file=FILE, a text file "
            "with one a line"
        )
    if not words or isinstance(words, str):
        raise ConfigurationError(f"words={words!r} must be a list of at least one word")
    refuse_words([fault for _, fault in _faults(words)])


def refuse_words(wrong: Sequence[str]) -> None:
    """Raise a `ConfigurationError` that lists these messages, unless there are none."""
    if wrong:
        raise ConfigurationError("\n  ".join(["words cannot all be spoken:", *wrong]))


def read_words(path: str | os.PathLike[str]) -> list[str]:
    """Read words or phrases from a text file with one per line.

    Blank lines, lines that begin with ``#``, and spaces at the ends of lines are ignored. The text
    is UTF-8, with or without a byte-order mark.

    Raises
    ------
    ConfigurationError
        if lines are not words or occur twice (the error gives their numbers), or there are none.
    DataError
        if the file cannot be read.
    """
    lines = {
        number: text
        for number, line in enumerate(read_lines(path, "words_file"), 1)
        if (text := clean(line)) and not text.startswith(COMMENT)
    }
    if not lines:
        raise ConfigurationError(f"words_file={str(path)!r} has no words; write one on each line")
    numbers = [*lines]
    if wrong := [f"line {numbers[at]}: {fault}" for at, fault in _faults([*lines.values()])]:
        raise ConfigurationError(
            "\n  ".join([f"words_file={str(path)!r} has wrong lines:", *wrong])
        )
    return [*lines.values()]


def _faults(words: Sequence[Any]) -> Iterator[tuple[int, str]]:
    """Yield the index of each wrong word, and what is wrong with it."""
    seen: set[str] = set()
    for place, word in enumerate(words):
        if fault := _fault(word):
            yield place, fault
        elif word.casefold() in seen:
            yield place, f"{word!r} is given twice"
        else:
            seen.add(word.casefold())


def _fault(word: Any) -> str | None:
    if not isinstance(word, str):
        return f"{word!r} is no text: in YAML, words such as yes, no, on and off need quotes"
    if not any(character.isalnum() for character in word):
        return f"{word!r} has no letter"
    if word.startswith("_"):
        return f"{word!r} starts with _, which marks what is not spoken"
    if word != " ".join(word.split()):
        return f"{word!r} must have single spaces, between words only"
    if any(category(character) in ("Cc", "Cs") for character in word):
        return f"{word!r} holds a control character"
    return None
