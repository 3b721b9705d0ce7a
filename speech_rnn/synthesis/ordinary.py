"""Ordinary words of a language, which a recogniser of a few others must not answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from speech_rnn.data.corpus import Corpus
from speech_rnn.synthesis.espeak import Synthetic
from speech_rnn.synthesis.near_misses import frequent_words

# One to four syllables, every vowel and most consonants of English at their start.
ENGLISH_WORDS = """
    about, again, animal, banana, because, bottle, candle, chicken, coffee, daughter, engine,
    evening, family, garden, happy, holiday, husband, information, jacket, kitchen, letter, machine,
    morning, nothing, orange, paper, people, question, rabbit, remember, sandwich, shoulder,
    something, telephone, thank you, tomorrow, umbrella, village, water, yesterday
"""
ENGLISH = [word.strip() for word in ENGLISH_WORDS.split(",")]
FREQUENT = 2000
"""Words of another language among which its ordinary words are."""
LEAST_LETTERS = 4
"""Of such a word; shorter ones are parts of too many others. Where words are written in two or
three characters, the longest are taken."""


@dataclass(frozen=True)
class OrdinaryWords:
    """Ordinary words spoken by espeak-ng, as many in each language.

    Parameters
    ----------
    root : folder of the clips.
    words : the words; None takes those of the language: English ones, or frequent ones that
        wordfreq (the extra ``words``) knows.
    language : in which they are spoken.
    train_clips, validation_clips, test_clips : of each word.
    """

    root: str
    words: Sequence[str] | None = None
    language: str = "en"
    train_clips: int = 16
    validation_clips: int = 3
    test_clips: int = 5

    def prepare(self) -> Corpus:
        """Speak what is not there yet, and list it.

        Raises
        ------
        MissingExtraError
            without ``espeakng_loader``, or ``wordfreq`` for a language but English.
        ConfigurationError, DataError
            for a language that one of them lacks.
        """
        words = ordinary_words(self.language) if self.words is None else self.words
        return Synthetic(
            words,
            self.root,
            language=self.language,
            train_clips=self.train_clips,
            validation_clips=self.validation_clips,
            test_clips=self.test_clips,
        ).prepare()


def ordinary_words(language: str) -> list[str]:
    """Return ordinary words of a language, as many as there are English ones."""
    if language.partition("-")[0] == "en":
        return [*ENGLISH]
    frequent = frequent_words(language.partition("-")[0], FREQUENT)
    longer = [word for word in frequent if len(word) >= LEAST_LETTERS]
    if len(longer) < len(ENGLISH):
        longer = sorted(frequent, key=len, reverse=True)[: 4 * len(ENGLISH)]
    return longer[:: len(longer) // len(ENGLISH)][: len(ENGLISH)]
