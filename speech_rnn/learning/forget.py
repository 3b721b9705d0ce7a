"""Remove a word from a recogniser, and measure how its sound is answered afterwards."""

from __future__ import annotations

from collections import Counter

from speech_rnn.errors import MissingExtraError
from speech_rnn.learning.results import Forgotten
from speech_rnn.learning.sounds import Background, speak
from speech_rnn.learning.words import check_can_change, count_words, without_word
from speech_rnn.recognizer import Recognizer

VOICES = 24
"""Number of synthetic clips of the word that the new recogniser is tested with."""


def forget(
    recognizer: Recognizer,
    word: str,
    *,
    background: Background | None = None,
    language: str = "en",
) -> Forgotten:
    """Remove a word from a recogniser, whether it came from training or from `learn`.

    All other rows stay as they are. The recogniser answers a sound of the word with its next best
    row, which may be another word.

    Parameters
    ----------
    recognizer : recogniser of classes or words; it is not modified.
    word : one of its words.
    background : sound in which none of the words is spoken, to count false accepts.
    language : language in which espeak-ng speaks the word.

    Raises
    ------
    ConfigurationError
        if the recogniser spells characters, or espeak-ng does not speak the language.
    DataError
        if it has no such word (the error names the nearest one), or no other word.
    """
    check_can_change(recognizer)
    left = without_word(recognizer, word)
    try:
        clips = speak([word], VOICES, language, recognizer.sample_rate).get(word)
    except MissingExtraError:
        clips = None
    answers = Counter(left.transcribe(clip).text for clip in clips) if clips else None
    return Forgotten(
        left,
        word,
        None if answers is None else dict(answers.most_common()),
        before=None if background is None else count_words(recognizer, background),
        after=None if background is None else count_words(left, background),
    )
