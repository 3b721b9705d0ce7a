"""The words to record, and the number of takes of each that are missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from speech_rnn.data.word_folders import folder_of
from speech_rnn.data.words import clean
from speech_rnn.errors import ConfigurationError
from speech_rnn.serving.takes import NOISY, Take
from speech_rnn.synthesis.words import COMMENT, check_words

TARGET = 10
"""Takes of each word that are asked for; `recipes/custom` says what ten bring."""
TARGET_NOISY = 1
"""Takes of each word in a noisy room, among those."""
MOST_WORDS = 100
MOST_CHARACTERS = 60
"""Characters of a word or phrase, at most."""
WORD_SECONDS = 2.0
"""Time to say a word, with a pause before and after, in s."""
MORE_SECONDS = 0.5
"""Time for each further word of a phrase, in s."""
LONGEST_SECONDS = 6.0
"""Time for a phrase, in s, at most."""


@dataclass(frozen=True)
class Gap:
    """Takes of a word that are missing.

    Parameters
    ----------
    word : the word.
    n_more : number of missing takes.
    n_noisy : number of those that must be from a noisy room.
    """

    word: str
    n_more: int
    n_noisy: int

    @property
    def sentence(self) -> str:
        """The gap in words."""
        more = f"{self.n_more} more of '{self.word}'"
        if not self.n_noisy:
            return more
        if self.n_noisy == self.n_more:
            return f"{more}, in a noisy room"
        return f"{more}, {'one' if self.n_noisy == 1 else self.n_noisy} in a noisy room"


def gaps(words: Sequence[str], takes: Iterable[Take]) -> list[Gap]:
    """Return the missing takes of each word; words with enough takes are left out."""
    counts = Counter((take.word, take.room == NOISY) for take in takes)
    found = []
    for word in words:
        n_noisy = max(0, TARGET_NOISY - counts[word, True])
        n_more = max(n_noisy, TARGET - counts[word, True] - counts[word, False])
        if n_more:
            found.append(Gap(word, n_more, n_noisy))
    return found


def next_word(missing: Sequence[Gap], room: str) -> str | None:
    """Return the word to record next in a room, or None if nothing is missing there.

    It is the word with the most missing takes, so that the words take turns.
    """

    def urgency(gap: Gap) -> tuple[int, int]:
        return (gap.n_noisy, gap.n_more) if room == NOISY else (0, gap.n_more - gap.n_noisy)

    best = max(missing, key=urgency, default=None)
    return best.word if best is not None and urgency(best) > (0, 0) else None


def seconds_for(word: str) -> float:
    """Return the time to record a word or phrase, in s."""
    return min(LONGEST_SECONDS, WORD_SECONDS + MORE_SECONDS * (len(word.split()) - 1))


def checked_words(given: Any) -> list[str]:
    """Return a list of words that can be spoken and that can be names of folders.

    Raises
    ------
    ConfigurationError
        for anything else, and for too many or too long words.
    """
    if not isinstance(given, list) or not all(isinstance(word, str) for word in given):
        raise ConfigurationError("words must be a list of texts")
    words = [text for word in given if (text := clean(word))]
    if len(words) > MOST_WORDS:
        raise ConfigurationError(f"{len(words)} words are too many; give at most {MOST_WORDS}")
    if words:
        check_words(words)
    for word in words:
        if len(word) > MOST_CHARACTERS or word.startswith(COMMENT):
            raise ConfigurationError(
                f"word={word!r:.80} must have at most {MOST_CHARACTERS} characters and not begin "
                f"with {COMMENT}"
            )
        folder_of(word)
    return words
