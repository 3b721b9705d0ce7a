"""Export a word of a recogniser as a head of openWakeWord.

openWakeWord (https://github.com/dscripka/openWakeWord) computes Google's speech embedding once for
all its words, 96 values each 80 ms, and gives the head of each word the last N of them. So a head
is what of a recogniser stands on that front: embeddings (1, N, 96) in, a score (1, 1) out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from speech_rnn.detection.det_curve import own_spotting
from speech_rnn.errors import ConfigurationError, did_you_mean
from speech_rnn.model.embedding import CHANNELS, SpeechEmbedding

if TYPE_CHECKING:
    from speech_rnn.recognizer import Recognizer

N_STEPS = 16
"""Embeddings that a head reads, as openWakeWord's own words do: 1.96 s of sound."""
RECIPE = (
    "+recipe=keywords front=speech_embedding model=gru_on_front "
    f"model.n_frozen={len(CHANNELS)} model.levels_clips=false"
)


def n_smoothed(recognizer: Recognizer) -> int:
    """Return over how many steps a score of CTC is smoothed."""
    return max(1, round(own_spotting(recognizer).smoothing_seconds / recognizer.step_seconds))


def check_word(recognizer: Recognizer, word: str) -> int:
    """Return the place of a word among the model's outputs.

    Raises
    ------
    ConfigurationError
        for a front that does not fit, see `check_front`, and a word that it has not.
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
    """Refuse a recogniser whose front is not Google's as it is.

    Raises
    ------
    ConfigurationError
        It names the recipe that fits.
    """
    front, given = recognizer.model.front, recognizer.model.hyperparameters
    if isinstance(front, SpeechEmbedding) and front.is_frozen and not front.levels_clips:
        return
    names = ("front", "n_frozen", "levels_clips")
    settings = ", ".join(f"{name}={given[name]!r}" for name in names)
    raise ConfigurationError(
        f"{settings}: openWakeWord computes Google's speech embedding as it is; train {RECIPE}"
    )
