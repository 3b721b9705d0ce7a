"""Export a word of a recogniser as a head of openWakeWord.

openWakeWord (https://github.com/dscripka/openWakeWord) computes Google's speech embedding once for
all its words, 96 values each 80 ms, and passes the last N of them to the head of each word. A head
is the part of a recogniser after that front: embeddings (1, N, 96) in, a score (1, 1) out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from speech_rnn.errors import ConfigurationError, did_you_mean
from speech_rnn.model.embedding import CHANNELS, SpeechEmbedding

if TYPE_CHECKING:
    from speech_rnn.recognizer import Recognizer

N_STEPS = 16
"""Number of embeddings that a head reads, as in openWakeWord's own words: 1.96 s of sound."""
RECIPE = (
    "+recipe=keywords front=speech_embedding model=gru_on_front "
    f"model.n_frozen={len(CHANNELS)} model.levels_clips=false"
)


def n_smoothed(recognizer: Recognizer) -> int:
    """Return the number of steps over which the score of a CTC model is smoothed."""
    return max(1, round(recognizer.own_spotting.smoothing_seconds / recognizer.step_seconds))


def check_word(recognizer: Recognizer, word: str) -> int:
    """Return the index of a word among the model's outputs.

    Raises
    ------
    ConfigurationError
        if the front does not fit, see `check_front`, or the recogniser does not have the word.
    """
    check_front(recognizer)
    vocabulary = recognizer.vocabulary
    if vocabulary.unit == "characters":
        raise ConfigurationError("vocabulary=characters has no words; train vocabulary=words")
    if word not in vocabulary.words:
        hint = did_you_mean(word, vocabulary.words)
        raise ConfigurationError(f"word={word!r} is not a word of the model{hint}")
    return vocabulary.tokens.index(word)


def check_front(recognizer: Recognizer) -> None:
    """Raise unless a recogniser's front is Google's, unchanged.

    Raises
    ------
    ConfigurationError
        if it is not; the error names the recipe that fits.
    """
    front, given = recognizer.model.front, recognizer.model.hyperparameters
    if isinstance(front, SpeechEmbedding) and front.is_frozen and not front.levels_clips:
        return
    names = ("front", "n_frozen", "levels_clips")
    settings = ", ".join(f"{name}={given[name]!r}" for name in names)
    raise ConfigurationError(
        f"{settings}: openWakeWord computes Google's speech embedding unchanged; train {RECIPE}"
    )
