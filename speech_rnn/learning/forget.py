"""Forget a word: take its row away, and measure what becomes of its sound."""

from __future__ import annotations

from collections import Counter

from speech_rnn.errors import MissingExtraError
from speech_rnn.learning.results import Forgotten
from speech_rnn.learning.sounds import Background, speak
from speech_rnn.learning.words import check_can_change, count_words, without_word
from speech_rnn.recognizer import Recognizer

VOICES = 24
"""Synthetic clips of the word that tell what it is answered with."""


def forget(
    recognizer: Recognizer,
    word: str,
    *,
    background: Background | None = None,
    language: str = "en",
) -> Forgotten:
    """Take a word away from a recogniser, whether training has taught it or `learn`.

    All other rows stay as they are. What sounds like the word is answered with the next best row,
    which may be another word.

    Parameters
    ----------
    recognizer : recogniser of classes or words; it is not modified.
    word : one of its words.
    background : sound of a place where no word is said, to count false accepts in.
    language : language in which espeak-ng speaks the word.

    Raises
    ------
    ConfigurationError
        for a recogniser of characters, and a language that espeak-ng does not speak.
    DataError
        for what is no word of it, with the nearest that is, and for its only word.
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
