"""The most probable output at each step: a class for a clip, or a CTC path for a sequence."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from speech_rnn.decoding.alignment import BLANK_ID, Span, spell
from speech_rnn.decoding.hypothesis import Hypothesis, Word
from speech_rnn.vocabulary import REASONS, Vocabulary

__all__ = ["classify", "greedy_ctc", "greedy_path"]


def classify(
    log_probs: NDArray[np.float32], vocabulary: Vocabulary, duration: float, n_best: int = 1
) -> Hypothesis:
    """Answer with the most probable class; the next ones are its alternatives.

    Parameters
    ----------
    log_probs : (C,), natural logarithms.
    vocabulary : of unit ``classes``.
    duration : of the clip, in seconds; the word spans it.
    n_best : answers in all.
    """
    ranked = np.argsort(-log_probs, kind="stable")[:n_best].tolist()
    best, *others = [
        _class(vocabulary.tokens[index], float(np.exp(log_probs[index])), duration)
        for index in ranked
    ]
    return replace(best, alternatives=tuple(others))


def _class(token: str, confidence: float, duration: float) -> Hypothesis:
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
    best = np.exp(log_probs.max(axis=-1, initial=-np.inf))  # (T,)
    spans = []
    step = 0
    for token, steps in groupby(log_probs.argmax(axis=-1).tolist()):
        stop = step + len(list(steps))
        if token != BLANK_ID:
            spans.append(Span(token, step, stop, float(best[step:stop].max())))
        step = stop
    words = spell(spans, vocabulary, step_seconds, duration)
    if words:
        return Hypothesis(words, min(word.confidence for word in words))
    return Hypothesis((), float(best.min(initial=1.0)), "silence")


def greedy_path(best: list[int]) -> list[int]:
    """Merge repeats in the best token of each step and drop blanks."""
    return [token for token, _ in groupby(best) if token != BLANK_ID]
