"""Words that sound similar to the vocabulary, which a recogniser must learn to reject."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from heapq import nsmallest

from rapidfuzz.distance import Levenshtein

from speech_rnn.data.at_hand import AtHand
from speech_rnn.data.combining import merged
from speech_rnn.data.corpus import Corpus, Source
from speech_rnn.errors import ConfigurationError, DataError, MissingExtraError
from speech_rnn.synthesis.espeak_library import Espeak
from speech_rnn.synthesis.languages import accents_of
from speech_rnn.synthesis.voices import check_names

Phonemes = tuple[str, ...]
Speaks = Callable[[Sequence[str]], Source]
COSTS = {
    "kokoro": "more words that sound alike are false accepts; in six hours, three "
    "trainings on near misses of espeak-ng alone had 8, 0 and 0 false accepts, and three with "
    "Kokoro's beside them 2, 1 and 1 (page of keywords_stream)"
}
"""The accuracy that is lost without each synthesizer."""


@dataclass(frozen=True)
class NearMisses:
    """Words similar to a vocabulary, in synthetic voices: for "smart mirror" start, mark, smart.

    They are chosen from the most frequent words of the language; see `near_misses`. A synthesizer
    that needs something which is not installed is left out, and a log line says so.

    Parameters
    ----------
    espeak : function from a list of words to a source of their clips by espeak-ng; None omits it.
    kokoro : function from a list of words to a source of their clips by Kokoro; None omits it.
    per_word : number of similar words for each word, and for each word of a phrase.
    frequent : number of most frequent words of the language to choose from.
    language : language of the vocabulary, such as ``de``.
    accent : accent of espeak-ng whose phonemes are compared; None takes the language's first.
    required : a synthesizer, or several, that must not be left out; see `Voices`.

    Raises
    ------
    ConfigurationError
        if a number is below 1, there is no synthesizer, or a required one is unknown.
    """

    espeak: Speaks | None = None
    kokoro: Speaks | None = None
    per_word: int = 40
    frequent: int = 20_000
    language: str = "en"
    accent: str | None = None
    required: str | Sequence[str] = ()

    def __post_init__(self) -> None:
        check_names(self.required)
        for name in ("per_word", "frequent"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name}={getattr(self, name)!r} must be 1 or more")
        if not self._given():
            raise ConfigurationError("espeak and kokoro are both null; give at least one of them")

    def prepare(self, words: Sequence[str]) -> Corpus:
        """Return clips of other words that sound similar to these words.

        Raises
        ------
        MissingExtraError
            if ``wordfreq``, espeak-ng, a required synthesizer or every synthesizer is missing.
        DataError
            if wordfreq does not have the language, or espeak-ng does not have the accent.
        """
        lexicon = frequent_words(self.language, self.frequent)
        espeak = Espeak()
        accent = self.accent or accents_of(self.language, espeak.accents)[0]
        phonemes = partial(espeak.phonemes, accent=accent)
        texts = near_misses(words, lexicon, phonemes, self.per_word)
        sources = {name: speaks(texts) for name, speaks in self._given().items()}
        there = AtHand.of(sources, self.required, COSTS)
        return merged(source.prepare() for source in there.sources.values())

    def _given(self) -> dict[str, Speaks]:
        speakers = {"espeak": self.espeak, "kokoro": self.kokoro}
        return {name: speaks for name, speaks in speakers.items() if speaks is not None}


def frequent_words(language: str, count: int) -> list[str]:
    """Return a language's most frequent words, the most frequent first (wordfreq, Speer 2022).

    Raises
    ------
    MissingExtraError
        if ``wordfreq`` is not installed.
    DataError
        if wordfreq does not have the language.
    """
    try:
        from wordfreq import available_languages, top_n_list
    except ImportError as error:
        raise MissingExtraError("wordfreq", "synth") from error
    known = available_languages()  # for another language, wordfreq would use the nearest
    if language not in known:
        raise DataError(f"language={language!r} must be one of {', '.join(sorted(known))}")
    return [word for word in top_n_list(language, count) if word.isalpha()]


def near_misses(
    phrases: Sequence[str],
    lexicon: Sequence[str],
    phonemes: Callable[[Sequence[str]], list[Phonemes]],
    per_word: int,
) -> list[str]:
    """Return words and phrases that sound similar to the given ones.

    For a word, these are the `per_word` words of the lexicon with the smallest edit distance in
    phonemes (Levenshtein), relative to the longer word; ties keep the order of the lexicon. For a
    phrase, these are each of its words, the words similar to each of them, and the phrase with one
    word replaced by a similar one. Texts that sound like a phrase or like an earlier text, or that
    contain the word itself, are left out.

    Parameters
    ----------
    phrases : the vocabulary.
    lexicon : words of the language, the most frequent first.
    phonemes : function that returns the phonemes of texts.
    per_word : number of similar words for each word.
    """
    by_sound: dict[Phonemes, str] = {}
    for word, sound in zip(lexicon, phonemes(lexicon), strict=True):
        by_sound.setdefault(sound, word)
    found: list[str] = []
    for phrase in phrases:
        parts = phrase.split()
        for index, sound in enumerate(phonemes(parts)):
            near = _nearest(sound, by_sound, per_word)
            if len(parts) == 1:
                found += near
                continue
            places = [[*parts[:index], word, *parts[index + 1 :]] for word in near]
            found += [parts[index], *near, *(" ".join(place) for place in places)]
    return [*distinct(found, phonemes(found), phonemes(phrases))]


def distinct(
    texts: Sequence[str], sounds: Sequence[Phonemes], taken: Sequence[Phonemes]
) -> Iterator[str]:
    """Yield texts whose sound is not in `taken` and differs from those of all earlier texts."""
    seen = {(), *taken}
    for text, sound in zip(texts, sounds, strict=True):
        if sound not in seen:
            seen.add(sound)
            yield text


def _nearest(sound: Phonemes, by_sound: Mapping[Phonemes, str], count: int) -> list[str]:
    """Return the nearest words; ties keep their order."""
    apart = (other for other in by_sound if other and not _holds(other, sound))
    near = nsmallest(count, apart, key=partial(Levenshtein.normalized_distance, sound))
    return [by_sound[other] for other in near]


def _holds(sound: Phonemes, part: Phonemes) -> bool:
    """Return whether a sequence of phonemes contains another."""
    starts = range(len(sound) - len(part) + 1)
    return any(sound[start : start + len(part)] == part for start in starts)
