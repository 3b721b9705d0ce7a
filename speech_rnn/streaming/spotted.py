"""A whole sound, answered as a stream is: by the words that a spotter finds in it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from speech_rnn.decoding.alignment import BLANK_ID
from speech_rnn.decoding.hypothesis import Hypothesis
from speech_rnn.streaming.stream import Posteriors, WordSpotter


def spotted(
    pieces: Iterable[NDArray[np.floating]],
    spotter: WordSpotter,
    n_samples: int | None = None,
    n_silent: int = 0,
) -> Hypothesis:
    """Answer with the words of a sound, in the order in which they start.

    The answer is as certain as its least certain word, or, without words, as the least certain
    blank.

    Parameters
    ----------
    pieces : the posteriors of the sound, (t, C) each, in their order.
    spotter : a spotter at the beginning of a stream; afterwards it is at the end of one.
    n_samples : length of the sound in samples; no word ends later. None sets no limit.
    n_silent : samples of silence before the sound, which the posteriors include.
    """
    stop = np.iinfo(np.int64).max if n_samples is None else n_samples
    least_blank, words = 1.0, []
    for values in pieces:
        least_blank = float(values[:, BLANK_ID].min(initial=least_blank))
        words += spotter.hear([Posteriors(values, -n_silent, stop, closes=False)])
    nothing = np.zeros((0, spotter.n_tokens), np.float32)
    words += spotter.hear([Posteriors(nothing, -n_silent, stop, closes=True)])
    if words:
        ordered = tuple(sorted(words, key=lambda word: word.start))
        return Hypothesis(ordered, min(word.confidence for word in ordered))
    return Hypothesis((), least_blank, "silence")
