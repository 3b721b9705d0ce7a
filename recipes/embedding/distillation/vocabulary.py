"""The words and phrases for synthetic voices: frequent words of English."""

from __future__ import annotations

from random import Random

from distillation.settings import Settings
from speech_rnn.data.rng import choose, shuffled
from speech_rnn.data.speech_commands import WORDS as CORPUS
from speech_rnn.synthesis.near_misses import frequent_words

HELD_OUT = frozenset(
    ("alexa", "computer", "jarvis", "smart", "mirror", "snowboy", "snow", "boy", "view", "glass")
)
"""Words of the key phrases of the tests, which are left out of training."""
ABBREVIATIONS = frozenset(
    ("re", "ll", "de", "la", "el", "st", "th", "vs", "co", "en", "mr", "ur", "tv", "uk", "us")
)
LETTERS = range(2, 13)
LENGTHS = (2, 2, 2, 3)
"""Range of the number of words of a phrase."""


def lexicon(settings: Settings) -> list[str]:
    """Return frequent words of English that are pronounced as words, the most frequent first.

    Raises
    ------
    MissingExtraError
        if ``wordfreq`` is not installed.
    """
    wanted = settings.frequent_words + settings.rare_words
    words = [word for word in frequent_words("en", 2 * wanted) if _is_spoken(word)]
    return words[:wanted]


def _is_spoken(word: str) -> bool:
    fits = word.isascii() and len(word) in LETTERS and not set(word).isdisjoint("aeiouy")
    return fits and word not in HELD_OUT | ABBREVIATIONS


def phrases(words: list[str], count: int, random: Random) -> list[str]:
    """Draw phrases of two or three words."""
    return [
        " ".join(choose(words, random) for _ in range(choose(LENGTHS, random)))
        for _ in range(count)
    ]


def espeak_texts(settings: Settings) -> list[str]:
    """Return all texts for espeak-ng in random order; a text may occur several times."""
    random, words = Random(f"{settings.seed}/espeak"), lexicon(settings)
    frequent = words[: settings.frequent_words]
    texts = frequent * settings.frequent_clips + words[settings.frequent_words :]
    texts += list(CORPUS[2]) * settings.corpus_clips
    texts += phrases(frequent, settings.phrases, random)
    return limited(shuffled(texts, random), settings)


def few_texts(settings: Settings, name: str, count: int) -> list[str]:
    """Return the texts for a slow synthesizer: frequent words, words of the corpus, and phrases."""
    random, words = Random(f"{settings.seed}/{name}"), lexicon(settings)
    frequent = words[: settings.frequent_words]
    n_phrases = count // 5
    said = [choose(frequent, random) for _ in range(count - 2 * (count // 8) - n_phrases)]
    said += [choose(CORPUS[2], random) for _ in range(2 * (count // 8))]
    said += phrases(frequent, n_phrases, random)
    return limited(shuffled(said, random), settings)


def limited(items: list[str], settings: Settings) -> list[str]:
    """Keep the first items if there is a limit."""
    return items[: settings.limit] if settings.limit else items
