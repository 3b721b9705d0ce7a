"""Fit the threshold from which a word of a clip counts, for a recogniser that listens."""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from speech_rnn.data.batching import BucketSampler, pad
from speech_rnn.data.cache import AudioCache
from speech_rnn.data.corpus import Utterance
from speech_rnn.errors import ConfigurationError, DataError
from speech_rnn.recognizer import Recognizer
from speech_rnn.samples.integers import FULL_SCALE
from speech_rnn.streaming.spotted import spotted
from speech_rnn.training.calibration import check_false_accepts

log = logging.getLogger(__name__)

BATCH_SIZE = 64
SILENCE_SECONDS = 0.2
"""Silence before and after a clip: many begin within their first word."""
THRESHOLDS = np.arange(1, 100) / 100
"""The thresholds to try. Below the first, clips that resemble no word would be answered."""


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
        if the share is out of its range, or the recogniser spots no words.
    DataError
        if there are no such clips.
    """
    check_false_accepts(false_accepts)
    if recognizer.spotting is None or recognizer.vocabulary.unit != "words":
        raise ConfigurationError(
            f"false_accepts={false_accepts!r} needs a recogniser that spots words; train with "
            "vocabulary=words spotting=mean, or leave false_accepts out"
        )
    if not others:
        raise DataError("false_accepts needs other words in the validation split; add some")
    clips = list(_posteriors(recognizer, others))

    def answered(threshold: float) -> float:
        spotter = recognizer.clip_spotter(threshold)  # begins anew after each clip
        return sum(bool(spotted([clip], spotter).words) for clip in clips) / len(others)

    # Fewer clips are answered the higher it is.
    place = bisect_left(
        THRESHOLDS, True, hi=len(THRESHOLDS) - 1, key=lambda one: answered(one) <= false_accepts
    )
    threshold = float(THRESHOLDS[place])
    log.info("threshold of clips: %.2f; of %d clips of other words, which training did not see, "
             "%.1f %% are answered with a word",
             threshold, len(others), 100 * answered(threshold))  # fmt: skip
    return threshold


def _posteriors(recognizer: Recognizer, rows: Sequence[Utterance]) -> Iterator[NDArray[np.float32]]:
    """Yield the posteriors (T, C) of each clip that can be read."""
    cache = AudioCache(rows, recognizer.sample_rate)
    for indices in BucketSampler(cache, BATCH_SIZE):
        samples, lengths = pad([cache[index] for index in indices])
        waveform = samples.numpy() / np.float32(FULL_SCALE)
        yield from recognizer.clip_posteriors(waveform, lengths.numpy())
