"""The most probable output at each step: a class for a clip, or a CTC path for a sequence."""

from __future__ import annotations

from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from speech_rnn.decoding.hypothesis import Hypothesis, Word
from speech_rnn.vocabulary import REASONS, Vocabulary

__all__ = ["classify", "greedy_ctc", "greedy_path"]

BLANK_ID = 0


def classify(log_probs: NDArray[np.float32], vocabulary: Vocabulary, duration: float) -> Hypothesis:
    """Answer with the most probable class.

    Parameters
    ----------
    log_probs : (C,), natural logarithms.
    vocabulary : of unit ``classes``.
    duration : of the clip, in seconds; the word spans it.
    """
    best = int(log_probs.argmax())
    confidence = float(np.exp(log_probs[best]))
    token = vocabulary.tokens[best]
    if token in REASONS:
        return Hypothesis((), confidence, REASONS[token])
    return Hypothesis((Word(token, 0.0, duration, confidence),), confidence)


def greedy_ctc(
    log_probs: NDArray[np.float32], vocabulary: Vocabulary, step_seconds: float, duration: float
) -> Hypothesis:
    """Take the best token of each step, merge repeats and drop blanks (Graves et al., 2006).

    A token starts at the first step of its run and ends with the last; it is as certain as the
    most certain of them. A word of characters spans its characters and is as certain as the least
    certain. The hypothesis is as certain as its least certain word, or, without words, as the
    least certain blank.

    Parameters
    ----------
    log_probs : (T, C), natural logarithms; token 0 is the blank.
    vocabulary : of unit ``words`` or ``characters``.
    step_seconds : the time from one step to the next.
    duration : of the clip, in seconds; no word ends later.
    """
    path = log_probs.argmax(axis=-1)  # (T,)
    best = np.exp(log_probs.max(axis=-1, initial=-np.inf))  # (T,)
    runs = []
    step = 0
    for token, steps in groupby(path.tolist()):
        stop = step + len(list(steps))
        if token != BLANK_ID:
            start, end = (min(edge * step_seconds, duration) for edge in (step, stop))
            certain = float(best[step:stop].max())
            runs.append(Word(vocabulary.tokens[token], start, end, certain))
        step = stop
    words = _spell(runs) if vocabulary.unit == "characters" else tuple(runs)
    if words:
        return Hypothesis(words, min(word.confidence for word in words))
    return Hypothesis((), float(best.min(initial=1.0)), "silence")


def greedy_path(best: list[int]) -> list[int]:
    """Merge repeats in the best token of each step and drop blanks."""
    return [token for token, _ in groupby(best) if token != BLANK_ID]


def _spell(characters: list[Word]) -> tuple[Word, ...]:
    """Join runs of characters between spaces into words."""
    words = []
    for is_space, group in groupby(characters, key=lambda run: run.word == " "):
        if not is_space:
            runs = list(group)
            text = "".join(run.word for run in runs)
            confidence = min(run.confidence for run in runs)
            words.append(Word(text, runs[0].start, runs[-1].end, confidence))
    return tuple(words)
