"""The threshold at which a word of a clip is believed, by a recogniser that listens."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from speech_rnn.data.cache import AudioCache
from speech_rnn.data.corpus import Utterance
from speech_rnn.errors import ConfigurationError, DataError
from speech_rnn.evaluation.scoring import evaluate
from speech_rnn.recognizer import Recognizer

log = logging.getLogger(__name__)

THRESHOLDS = np.arange(5, 100) / 100
"""Below the first, what no word resembles would decide."""


def clip_threshold(
    recognizer: Recognizer, others: Sequence[Utterance], false_accepts: float
) -> float:
    """Return the lowest threshold at which few enough clips of other words are answered.

    Clips of the words do not move it: where they are synthetic, people are less like them than
    they are like each other.

    Parameters
    ----------
    recognizer : recogniser of words; its calibration does not change.
    others : clips of other words that were not in the training.
    false_accepts : share of these clips that may be answered with a word, in [0, 1).

    Raises
    ------
    ConfigurationError
        for a share out of its range, and a recogniser that spots no words.
    DataError
        if there are no such clips.
    """
    if not 0 <= false_accepts < 1:
        raise ConfigurationError(f"false_accepts={false_accepts!r} must lie in [0, 1)")
    if recognizer.spotting is None or recognizer.vocabulary.unit != "words":
        raise ConfigurationError(
            f"false_accepts={false_accepts!r} sets a threshold for words that are spotted; train "
            "with vocabulary=words spotting=mean, or leave it out"
        )
    if not others:
        raise DataError("false_accepts needs other words in the validation split; add some")
    cache = AudioCache(others, recognizer.sample_rate)
    before = recognizer.calibration

    def answered(threshold: float) -> float:
        recognizer.calibration = replace(before, unknown_below=threshold)
        rows = evaluate(recognizer, others, cache=cache).rows
        return float(np.mean([bool(row.recognised) for row in rows]))

    low, high = 0, len(THRESHOLDS) - 1  # fewer are answered the higher it is
    while low < high:
        middle = (low + high) // 2
        low, high = (
            (low, middle) if answered(THRESHOLDS[middle]) <= false_accepts else (middle + 1, high)
        )
    recognizer.calibration = before
    log.info("threshold of clips: %.2f; of %d clips of other words, which training did not see, "
             "%.1f %% are answered with a word",
             THRESHOLDS[low], len(others), 100 * answered(THRESHOLDS[low]))  # fmt: skip
    recognizer.calibration = before
    return float(THRESHOLDS[low])
