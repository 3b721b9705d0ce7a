"""Decode sound of any length in constant memory: in windows, and from pause to pause."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from speech_rnn.decoding.alignment import BLANK_ID
from speech_rnn.decoding.hypothesis import Hypothesis, Word

LONG_SECONDS = 60.0
"""Duration above which sequences are decoded in windows rather than as a whole."""

WINDOW_SECONDS = 30.0
CONTEXT_SECONDS = 3.0
"""Context on either side of a window; without it, words at the edges are recognised less well."""

PAUSE_SECONDS = 0.3
SURE_BLANK = 0.9
LONGEST_SECONDS = 20.0

LogProbs = NDArray[np.float32]


def windows(
    blocks: Iterable[NDArray[np.float32]], step_length: int, sample_rate: int
) -> Iterator[tuple[NDArray[np.float32], slice]]:
    """Cut a sound into overlapping windows; each step counts in exactly one of them.

    Parameters
    ----------
    blocks : blocks (n,) of the sound, of any size.
    step_length : samples between two steps of the log-probabilities.
    sample_rate : sample rate in Hz.

    Yields
    ------
    The samples of a window, and the slice of its steps that count; the others are context.
    """
    size, context = (
        round(seconds * sample_rate / step_length) for seconds in (WINDOW_SECONDS, CONTEXT_SECONDS)
    )
    arriving = iter(blocks)
    kept = np.zeros(0, np.float32)
    begin = first = 0  # the step at which `kept` begins, and the first step not yet counted
    while True:
        wanted = (first + size + context - begin) * step_length
        pieces, there = [kept], len(kept)
        while there < wanted and (block := next(arriving, None)) is not None:
            pieces.append(block)
            there += len(block)
        kept = np.concatenate(pieces) if len(pieces) > 1 else kept
        last = first + size
        if there < wanted:
            last = min(last, max(1, begin + there // step_length))
        if last == first:
            return
        yield kept[:wanted], slice(first - begin, last - begin)
        if last < first + size:
            return
        next_begin = max(0, last - context)
        kept = kept[(next_begin - begin) * step_length :]
        begin, first = next_begin, last


def stretches(
    log_probs: Iterable[LogProbs], step_seconds: float
) -> Iterator[tuple[float, LogProbs]]:
    """Cut log-probabilities at pauses, and leave out silence.

    Parameters
    ----------
    log_probs : log-probabilities of each window, (T, C), natural; token 0 is the blank.
    step_seconds : time between two steps, in seconds.

    Yields
    ------
    The start in seconds of each stretch that contains words, and its log-probabilities.
    """
    arriving = iter(log_probs)
    longest = round(LONGEST_SECONDS / step_seconds)
    pause = max(1, round(PAUSE_SECONDS / step_seconds))
    first, kept = 0, next(arriving)
    is_last = False
    while not is_last:
        following = next(arriving, None)
        is_last = following is None
        while len(kept) > longest or (is_last and len(kept)):
            is_end = is_last and len(kept) <= longest
            stop = _end_of_stretch(kept[:longest], pause, is_end)
            if not _is_silent(kept[:stop]).all():
                yield first * step_seconds, kept[:stop]
            first, kept = first + stop, kept[stop:]
        if following is not None:
            kept = np.concatenate([kept, following])


def joined(answers: Iterable[tuple[float, Hypothesis]]) -> Hypothesis:
    """Join the words of all stretches, each with its start in seconds, to one answer.

    Stretches are decoded independently: a language model starts anew, and a sentence of a grammar
    covers one stretch. The confidence is that of the least certain stretch.
    """
    words: list[Word] = []
    confidence, reason = 1.0, "silence"
    for start, found in answers:
        words += [
            replace(word, start=word.start + start, end=word.end + start) for word in found.words
        ]
        if found.words:
            confidence = min(confidence, found.confidence)
        elif found.reason == "unknown":
            reason = "unknown"
    return Hypothesis(tuple(words), confidence, None if words else reason)


def _end_of_stretch(log_probs: LogProbs, pause: int, is_end: bool) -> int:
    """Return the middle of the first pause after speech, or else the most probable blank."""
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
