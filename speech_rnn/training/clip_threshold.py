"""Fit the threshold from which a word of a clip counts, for a recogniser that listens."""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from speech_rnn.data.batching import BucketSampler, pad
from speech_rnn.data.cache import AudioCache
from speech_rnn.data.corpus import Corpus, Utterance
from speech_rnn.errors import ConfigurationError, DataError
from speech_rnn.recognizer import Recognizer
from speech_rnn.samples.integers import FULL_SCALE
from speech_rnn.streaming.spotted import spotted
from speech_rnn.training.calibration import check_false_accepts
from speech_rnn.vocabulary import REASONS, UNKNOWN

log = logging.getLogger(__name__)

BATCH_SIZE = 64
SILENCE_SECONDS = 0.2
"""Silence before and after a clip: many begin within their first word."""
THRESHOLDS = np.arange(1, 100) / 100
"""The thresholds to try. Below the first, clips that resemble no word would be answered."""
PEOPLE = "; these voices are synthetic, and of people's words, 3 to 24 % got none (page of custom)"


def clip_threshold(recognizer: Recognizer, corpus: Corpus, false_accepts: float) -> float:
    """Return the lowest threshold at which few enough clips of other words are answered.

    Clips of the words do not move it: where they are synthetic, people are less like them than
    they are like each other. How many of them get no answer is logged.

    Parameters
    ----------
    recognizer : recogniser of words; its calibration does not change.
    corpus : the clips of its validation are used.
    false_accepts : share of the clips of other words that may be answered with a word, in [0, 1).

    Raises
    ------
    ConfigurationError
        if the share is out of its range, or the recogniser spots no words.
    DataError
        if there are no clips of other words.
    """
    check_false_accepts(false_accepts)
    if recognizer.spotting is None or recognizer.vocabulary.unit != "words":
        raise ConfigurationError(
            f"false_accepts={false_accepts!r} needs a recogniser that spots words; train with "
            "vocabulary=words spotting=mean, or leave false_accepts out"
        )
    held_out = corpus.split("validation")
    others = _Answers(recognizer, [row for row in held_out if row.text == UNKNOWN])
    if not others.posteriors:
        raise DataError("false_accepts needs other words in the validation split; add some")
    # Fewer clips are answered the higher it is.
    place = bisect_left(
        THRESHOLDS,
        True,
        hi=len(THRESHOLDS) - 1,
        key=lambda threshold: others.share(threshold) <= false_accepts,
    )
    threshold = float(THRESHOLDS[place])
    log.info("threshold of clips: %.2f; of %d clips of other words, which training did not see, "
             "%.1f %% are answered with a word",
             threshold, len(others.posteriors), 100 * others.share(threshold))  # fmt: skip
    words = _Answers(recognizer, [row for row in held_out if row.text not in REASONS])
    if words.posteriors:
        log.info("clips of the words that get no answer: %.1f %% of %d%s",
                 100 * (1 - words.share(threshold)), len(words.posteriors),
                 PEOPLE if corpus.synthetic else "")  # fmt: skip
    return threshold


class _Answers:
    """Answers of a recogniser to clips; `posteriors` has (T, C) for each that can be read."""

    def __init__(self, recognizer: Recognizer, rows: Sequence[Utterance]) -> None:
        self.posteriors = list(_posteriors(recognizer, rows))
        self._spotter = recognizer.clip_spotter

    def share(self, threshold: float) -> float:
        """Return the share of the clips that are answered with a word."""
        spotter = self._spotter(threshold)  # begins anew after each clip
        answered = (bool(spotted([clip], spotter).words) for clip in self.posteriors)
        return sum(answered) / len(self.posteriors)


def _posteriors(recognizer: Recognizer, rows: Sequence[Utterance]) -> Iterator[NDArray[np.float32]]:
    """Yield the posteriors (T, C) of each clip that can be read."""
    cache = AudioCache(rows, recognizer.sample_rate)
    for indices in BucketSampler(cache, BATCH_SIZE):
        samples, lengths = pad([cache[index] for index in indices])
        waveform = samples.numpy() / np.float32(FULL_SCALE)
        yield from recognizer.clip_posteriors(waveform, lengths.numpy())
