"""Split sentences into tokens for language models."""

from __future__ import annotations

from pathlib import Path

from speech_rnn.errors import DataError
from speech_rnn.storage.text import read_lines

BEGIN, END, UNKNOWN_TOKEN = "<s>", "</s>", "<unk>"
SPACE = "<space>"
"""The token for a space between words of characters: in ARPA files, spaces separate tokens."""


def read_sentences(path: str | Path) -> list[str]:
    """Read a text with one sentence per line; empty lines are skipped.

    Raises
    ------
    DataError
        if it cannot be read, or holds no sentence.
    """
    lines = read_lines(path, "text")
    sentences = [" ".join(line.split()) for line in lines if line.strip()]
    if not sentences:
        raise DataError(f"text={str(path)!r} holds no sentence; write one on each line")
    return sentences


def tokens_of(sentence: str, unit: str) -> list[str]:
    """Return the words of a sentence, or its characters."""
    if unit == "words":
        return sentence.split()
    return [SPACE if character == " " else character for character in sentence]
