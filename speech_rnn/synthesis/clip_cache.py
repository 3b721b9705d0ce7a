"""What all synthesizers share: words that can be spoken, and a cache of the clips."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from speech_rnn.audio import resample, write_audio
from speech_rnn.errors import AudioError, ConfigurationError, DataError

__all__ = [
    "cache_name",
    "check_ranges",
    "check_words",
    "filling",
    "put_clip",
    "refuse_words",
    "word_folder",
]

_EDGE = 0.01


def check_words(words: Sequence[str]) -> None:
    """Refuse words that are empty, given twice or no texts, all of them at once.

    Raises
    ------
    ConfigurationError
        if there are any.
    """
    if not words or isinstance(words, str):
        raise ConfigurationError(f"words={words!r} must be a list of one word or more")
    refuse_words([*_not_words(words)])


def _not_words(words: Sequence[str]) -> Iterator[str]:
    """Say what is wrong with words before anybody tries to speak them."""
    seen: set[str] = set()
    for word in words:
        if not isinstance(word, str):
            yield f"{word!r} is no text: in YAML, words such as yes, no, on and off need quotes"
        elif not any(character.isalnum() for character in word):
            yield f"{word!r} has no letter"
        elif word.startswith("_"):
            yield f"{word!r} starts with _, which marks what is not spoken"
        elif word != " ".join(word.split()):
            yield f"{word!r} must have single spaces, between words only"
        elif word.casefold() in seen:
            yield f"{word!r} is given twice"
        else:
            seen.add(word.casefold())


def refuse_words(wrong: Sequence[str]) -> None:
    """Tell what is wrong with words, all at once.

    Raises
    ------
    ConfigurationError
        if anything is.
    """
    if wrong:
        raise ConfigurationError("\n  ".join(["words cannot all be spoken:", *wrong]))


def check_ranges(source: object, limits: Mapping[str, tuple[float, float]]) -> None:
    """Refuse attributes of `source` that are no ascending pair within their limits.

    Raises
    ------
    ConfigurationError
        for the first that is none.
    """
    for name, (lowest, highest) in limits.items():
        pair = getattr(source, name)
        if len(pair) != 2 or not lowest <= pair[0] <= pair[1] <= highest:
            raise ConfigurationError(
                f"{name}={list(pair)!r} must be the lowest and the highest value, "
                f"within {lowest} and {highest}"
            )


def cache_name(kind: str, values: Any) -> str:
    """Name the cache of clips that were made by such values."""
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
    return f"{kind}-{digest[:12]}"


def word_folder(word: str) -> str:
    """Name the folder of a word within a cache; any file system takes it."""
    return quote(word.replace(" ", "_"), safe="")


@contextmanager
def filling(root: str) -> Iterator[None]:
    """Say what to do where a cache of sounds cannot be written.

    Raises
    ------
    DataError
        in place of what writing raised.
    """
    try:
        yield
    except (OSError, AudioError) as error:
        raise DataError(
            f"root={root!r} cannot be written: {error}; free some space or name another "
            "folder, what is done is kept"
        ) from error


def put_clip(
    path: Path,
    spoken: NDArray[np.float32],
    spoken_rate: int,
    sample_rate: int,
    *,
    silence_seconds: Sequence[float],
    peak_db: float,
) -> None:
    """Write what was spoken (N,), cut to the word, at a level, between silences: whole or not.

    What lies below a hundredth of its peak, at its ends, is not the word.
    """
    loudness = np.abs(spoken)
    heard = np.flatnonzero(loudness >= _EDGE * loudness.max())
    word = spoken[heard[0] : heard[-1] + 1] / loudness.max()
    word = resample(word, spoken_rate, sample_rate)
    word *= 10 ** (peak_db / 20) / np.abs(word).max()
    lead, trail = (round(seconds * sample_rate) for seconds in silence_seconds)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_audio(path, np.pad(word, (lead, trail)), sample_rate)
