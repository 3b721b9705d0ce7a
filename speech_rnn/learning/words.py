"""Add or remove a word of a recogniser, and count its detections in a background."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from speech_rnn.decoding.confidence import Calibration
from speech_rnn.engines.last_layer import LastLayer
from speech_rnn.errors import ConfigurationError, DataError, ModelError, did_you_mean
from speech_rnn.learning.record import RECORD, record_of
from speech_rnn.learning.results import FalseAccepts
from speech_rnn.learning.row import Bag
from speech_rnn.learning.sounds import PIECE_SECONDS, Background, Samples
from speech_rnn.learning.states import unpacked
from speech_rnn.recognizer import Recognizer

LEAST_CONFIDENCE = 0.5
"""A classifier that withholds ambiguous answers withholds a learnt word below this confidence."""


def clips_of(recognizer: Recognizer, word: str, size: int) -> list[Bag]:
    """Return the states of the clips that a word was learnt from; none for trained words.

    Raises
    ------
    ModelError
        if the stored states are damaged.
    """
    values = record_of(recognizer).get(word, {}).get("clips", [])
    if not isinstance(values, list):
        raise ModelError(f"the clips of the added word {word!r} are damaged")
    return [unpacked(each, word, size) for each in values]


def check_can_change(recognizer: Recognizer) -> None:
    """Raise if the recogniser's words have no output rows of their own.

    Raises
    ------
    ConfigurationError
        if its vocabulary consists of characters.
    """
    if recognizer.vocabulary.unit == "characters":
        raise ConfigurationError(
            "vocabulary=characters: words are spelt and have no output of their own; any word "
            "that its letters spell is possible already"
        )


def with_word(
    recognizer: Recognizer, word: str, layer: LastLayer, record: Mapping[str, Any]
) -> Recognizer:
    """Return a recogniser with one more word, whose row is the last of `layer`."""
    calibration = recognizer.calibration
    if calibration.ambiguous_below:
        below = {**calibration.ambiguous_below, word: LEAST_CONFIDENCE}
        calibration = replace(calibration, ambiguous_below=below)
    tokens = (*recognizer.vocabulary.tokens, word)
    learnt = {**record_of(recognizer), word: dict(record)}
    return _changed(recognizer, tokens, layer, calibration, {RECORD: learnt})


def without_word(recognizer: Recognizer, word: str) -> Recognizer:
    """Return a recogniser with one word less.

    Raises
    ------
    DataError
        if it has no such word (the error names the nearest one), or no other word.
    """
    words = recognizer.vocabulary.words
    if word not in words:
        raise DataError(f"word={word!r} is not a word of the recogniser{did_you_mean(word, words)}")
    if len(words) == 1:
        raise DataError(f"word={word!r} is the only word; a recogniser needs one")
    tokens = recognizer.vocabulary.tokens
    layer = recognizer.engine.last_layer().without(tokens.index(word))
    below = _less(recognizer.calibration.ambiguous_below, word)
    calibration = replace(recognizer.calibration, ambiguous_below=below)
    changes: dict[str, Any] = {RECORD: _less(record_of(recognizer), word)}
    if word in (synthetic := recognizer.provenance.get("synthetic_words") or ()):
        changes["synthetic_words"] = [each for each in synthetic if each != word]
    left = tuple(token for token in tokens if token != word)
    found = _changed(recognizer, left, layer, calibration, changes)
    if not found.provenance[RECORD]:
        del found.provenance[RECORD]
    if (spotting := found.spotting) is not None:
        thresholds, lags = _less(spotting.thresholds, word), _less(spotting.lags, word)
        found.spotting = replace(spotting, thresholds=thresholds, lags=lags)
    return found


def count_words(recognizer: Recognizer, background: Background) -> FalseAccepts:
    """Count the words that a recogniser detects in the counted half of a background.

    A recogniser that can stream runs over each block as a stream; others classify short pieces.
    """
    found: Counter[str] = Counter()
    for block in background.counted:
        found.update(_words_in(recognizer, block))
    return FalseAccepts(background.counted_seconds, dict(found))


def _words_in(recognizer: Recognizer, block: Samples) -> list[str]:
    if recognizer.can_stream:
        stream = recognizer.stream(check=False)
        return [word.word for word in (*stream.push(block), *stream.finish())]
    pieces = [block]
    if recognizer.vocabulary.unit == "classes":
        size = round(PIECE_SECONDS * recognizer.sample_rate)
        pieces = [block[start : start + size] for start in range(0, len(block), size)]
    return [word.word for piece in pieces for word in recognizer.transcribe(piece).words]


def _changed(
    recognizer: Recognizer,
    tokens: Sequence[str],
    layer: LastLayer,
    calibration: Calibration,
    changes: Mapping[str, Any],
) -> Recognizer:
    return Recognizer(
        recognizer.engine.with_last_layer(layer),
        replace(recognizer.vocabulary, tokens=tuple(tokens)),
        provenance={**recognizer.provenance, **changes},
        token_bonus=recognizer.token_bonus,
        calibration=calibration,
        spotting=recognizer.spotting,
    )


def _less(values: Mapping[str, Any], word: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != word}
