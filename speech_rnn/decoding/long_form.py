"""Sound of any length in bounded memory: read in windows, decoded from pause to pause."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from speech_rnn.decoding.alignment import BLANK_ID
from speech_rnn.decoding.hypothesis import Hypothesis, Word

__all__ = ["LONG_SECONDS", "recognize_long"]

LONG_SECONDS = 60.0
"""Sound of sequences that is longer is read in windows; what is shorter, as a whole."""

WINDOW_SECONDS = 30.0
CONTEXT_SECONDS = 3.0
"""What a window reads before and behind itself, so that its words are heard as in one piece."""

PAUSE_SECONDS = 0.3
SURE_BLANK = 0.9
LONGEST_SECONDS = 20.0

Read = Callable[[float, float], NDArray[np.float32]]
LogProbs = NDArray[np.float32]


def recognize_long(
    read: Read,
    duration: float,
    *,
    log_probs: Callable[[NDArray[np.float32]], LogProbs],
    decode: Callable[[LogProbs, float], Hypothesis],
    step_seconds: float,
) -> Hypothesis:
    """Answer for a long sound with the words of all its stretches between pauses.

    Each stretch is decoded by itself: a language model starts anew, and a grammar's sentence
    fills one. The answer is as sure as its least sure stretch.

    Parameters
    ----------
    read : returns the samples (N,) from a second on, so many seconds or up to the end.
    duration : of the sound, in seconds.
    log_probs : maps samples to (T, C), natural logarithms; token 0 is the blank.
    decode : answers for such a stretch, of so many seconds.
    step_seconds : the time from one step to the next.
    """
    words: list[Word] = []
    confidence, reason = 1.0, "silence"
    windows = _windows(read, duration, log_probs, step_seconds)
    for first, stretch in _stretches(windows, step_seconds):
        start = first * step_seconds
        found = decode(stretch, min(duration - start, len(stretch) * step_seconds))
        words += [
            replace(word, start=word.start + start, end=word.end + start) for word in found.words
        ]
        if found.words:
            confidence = min(confidence, found.confidence)
        elif found.reason == "unknown":
            reason = "unknown"
    return Hypothesis(tuple(words), confidence, None if words else reason)


def _windows(
    read: Read,
    duration: float,
    log_probs: Callable[[NDArray[np.float32]], LogProbs],
    step_seconds: float,
) -> Iterator[LogProbs]:
    """Yield the log-probabilities of window after window: all steps, once each."""
    size, context = round(WINDOW_SECONDS / step_seconds), round(CONTEXT_SECONDS / step_seconds)
    n_steps = max(1, int(duration / step_seconds))
    for first in range(0, n_steps, size):
        begin, last = max(0, first - context), min(first + size, n_steps)
        samples = read(begin * step_seconds, (last + context - begin) * step_seconds)
        yield log_probs(samples)[first - begin : last - begin]


def _stretches(windows: Iterator[LogProbs], step_seconds: float) -> Iterator[tuple[int, LogProbs]]:
    """Cut at pauses: yield the first step and the log-probabilities of each stretch with words."""
    longest = round(LONGEST_SECONDS / step_seconds)
    pause = max(1, round(PAUSE_SECONDS / step_seconds))
    first, kept = 0, next(windows)
    is_last = False
    while not is_last:
        following = next(windows, None)
        is_last = following is None
        while len(kept) > longest or (is_last and len(kept)):
            is_end = is_last and len(kept) <= longest
            stop = _end_of_stretch(kept[:longest], pause, is_end)
            if not _is_silent(kept[:stop]).all():
                yield first, kept[:stop]
            first, kept = first + stop, kept[stop:]
        if following is not None:
            kept = np.concatenate([kept, following])


def _end_of_stretch(log_probs: LogProbs, pause: int, is_end: bool) -> int:
    """The middle of the first pause after speech, or else where a blank is most probable."""
    speech = np.flatnonzero(~_is_silent(log_probs))
    stops = np.append(speech, len(log_probs))
    gaps = np.flatnonzero(np.diff(stops) > pause)
    if len(gaps):
        return int(stops[gaps[0]]) + 1 + pause // 2
    if is_end or not len(speech):
        return len(log_probs)
    middle = len(log_probs) // 2
    return middle + int(log_probs[middle:, BLANK_ID].argmax()) + 1


def _is_silent(log_probs: LogProbs) -> NDArray[np.bool_]:
    return log_probs[:, BLANK_ID] > np.log(SURE_BLANK)
