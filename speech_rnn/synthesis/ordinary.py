"""Ordinary words of a language, which a recogniser of other words must reject."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from speech_rnn.data.combining import merged
from speech_rnn.data.corpus import Corpus, Source
from speech_rnn.data.rng import choose
from speech_rnn.errors import ConfigurationError, SpeechRnnError
from speech_rnn.synthesis.espeak import Synthetic
from speech_rnn.synthesis.espeak_library import Espeak
from speech_rnn.synthesis.languages import accents_of, base_of, unreadable
from speech_rnn.synthesis.near_misses import distinct, frequent_words

PER_WORD = 5
"""Number of frequent words considered for each word that is chosen."""
LEAST_LETTERS = 3
"""Shorter words are left out if the language has enough longer ones."""
DEAL = ("train",) * 6 + ("validation", "test")
"""Splits to which the words are dealt in turn; no word is in two of them."""
SHARE = 3
"""One in so many stretches of talk is also spoken by the other synthesizers; Kokoro is slow."""
IN_A_ROW = (2, 5)
"""Fewest and most words of a stretch of talk."""


class Speaker(Protocol):
    """A synthesizer, such as `synthesis.kokoro.NeuralVoices`."""

    @property
    def splits(self) -> Sequence[str]:
        """The splits for which it has voices."""
        ...

    def lack(self) -> SpeechRnnError | None:
        """Return the error if something is not installed."""
        ...

    def speaking(self, words: Sequence[str], split: str, clips: int) -> Source:
        """Return a source of clips of some words, for one split."""
        ...


@dataclass(frozen=True)
class OrdinaryWords:
    """Frequent words of a language (wordfreq, Speer 2022), spoken by espeak-ng and others.

    Six of eight words are for training; validation and test have other words, in other voices.
    They therefore measure how the recogniser treats words that it was not trained on. Words that
    are spoken in a row run into each other: talk is more than its single words.

    Parameters
    ----------
    root : folder of the clips.
    language : the language of the words.
    n_words : number of words.
    clips : number of clips of each word, and of each stretch of talk.
    n_talk : number of stretches of talk: a few of the frequent words, drawn at random, in a row.
    kokoro : Kokoro, if it says the vocabulary, and therefore also each of these words once, and a
        third of the talk. A recogniser would otherwise learn that this kind of voice means a word.
    flite : flite, likewise, which has voices for training only.

    Raises
    ------
    ConfigurationError
        if there are fewer words than splits, `clips` is below 1, or `n_talk` below 0.
    """

    root: str
    language: str = "en"
    n_words: int = 600
    clips: int = 2
    n_talk: int = 0
    kokoro: Speaker | None = None
    flite: Speaker | None = None

    def __post_init__(self) -> None:
        if self.n_words < len(DEAL):
            raise ConfigurationError(f"n_words={self.n_words} must be {len(DEAL)} or more")
        if self.clips < 1:
            raise ConfigurationError(f"clips={self.clips} must be 1 or more")
        if self.n_talk < 0:
            raise ConfigurationError(f"n_talk={self.n_talk} must be 0 or more")

    def prepare(self, words: Sequence[str]) -> Corpus:
        """Synthesize whatever is not in the cache; none of the words sounds like one of `words`.

        Raises
        ------
        MissingExtraError
            if ``espeakng_loader`` or ``wordfreq`` is not installed.
        ConfigurationError, DataError
            if one of them lacks the language.
        """
        texts = ordinary_words(words, self.language, self.n_words)
        espeak = Synthetic(texts, self.root, language=self.language)
        also = [one for one in (self.kokoro, self.flite) if one is not None and one.lack() is None]
        rows = talk(texts, self.n_talk)
        spoken: list[tuple[Speaker, Sequence[str], int]] = [
            (espeak, texts, self.clips),
            (espeak, rows, self.clips),
            *((speaker, texts, 1) for speaker in also),
            *((speaker, rows[: self.n_talk // SHARE], 1) for speaker in also),
        ]
        return merged(
            speaker.speaking(dealt, split, clips).prepare()
            for speaker, said, clips in spoken
            for split in dict.fromkeys(DEAL)
            if split in speaker.splits and (dealt := _dealt(said, split))
        )


def _dealt(texts: Sequence[str], split: str) -> list[str]:
    """Return the texts that are dealt to a split."""
    return [text for index, text in enumerate(texts) if DEAL[index % len(DEAL)] == split]


def talk(words: Sequence[str], n_stretches: int) -> list[str]:
    """Return different stretches of two to five words; each has words of one split only.

    There are fewer if the words cannot make that number.
    """
    random = Random("talk")
    dealt = [[*words[split :: len(DEAL)]] for split in range(len(DEAL))]
    lengths = range(IN_A_ROW[0], IN_A_ROW[1] + 1)
    most = len(DEAL) * sum(len(dealt[-1]) ** length for length in lengths)
    texts: dict[str, None] = {}
    while len(texts) < min(n_stretches, most):
        own = dealt[len(texts) % len(DEAL)]
        count = choose(lengths, random)
        texts[" ".join(choose(own, random) for _ in range(count))] = None
    return [*texts]


def ordinary_words(words: Sequence[str], language: str, n_words: int) -> list[str]:
    """Return frequent words of a language, the most frequent first.

    No two of them sound the same, and none sounds like one of `words`.

    Raises
    ------
    MissingExtraError
        if ``espeakng_loader`` or ``wordfreq`` is not installed.
    ConfigurationError, DataError
        if one of them lacks the language.
    """
    frequent = frequent_words(base_of(language), PER_WORD * n_words)
    espeak = Espeak()
    accent = accents_of(language, espeak.accents)[0]
    spoken = [word for word in frequent if not unreadable([word], accent)]
    longer = [word for word in spoken if len(word) >= LEAST_LETTERS]
    lexicon = longer if len(longer) >= n_words else spoken
    given, sounds = (espeak.phonemes(texts, accent=accent) for texts in (words, lexicon))
    return [*distinct(lexicon, sounds, given)][:n_words]
