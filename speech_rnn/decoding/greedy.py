"""The most probable output at each step: the class of a clip, or a CTC path."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from speech_rnn.decoding.alignment import BLANK_ID, Span, spell
from speech_rnn.decoding.hypothesis import Hypothesis, Word
from speech_rnn.vocabulary import REASONS, Vocabulary


def classify(
    log_probs: NDArray[np.float32], vocabulary: Vocabulary, duration: float, n_best: int = 1
) -> Hypothesis:
    """Return the most probable class, with the next ones as alternatives.

    Parameters
    ----------
    log_probs : (C,), natural logarithms.
    vocabulary : vocabulary of unit ``classes``.
    duration : duration of the clip in seconds; the word spans it.
    n_best : total number of answers.
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
    log_probs: NDArray[np.float32],
    vocabulary: Vocabulary,
    step_seconds: float,
    duration: float,
    token_bonus: float = 0.0,
) -> Hypothesis:
    """Take the best path, merge repeats and drop blanks (Graves et al., 2006).

    A token starts at the first step of its run and ends with the last; its confidence is the
    highest of the run. A word of several characters covers all of them, with the lowest of their
    confidences. The confidence of the hypothesis is that of its least certain word or, without
    words, of its least certain blank.

    Parameters
    ----------
    log_probs : (T, C), natural logarithms; token 0 is the blank.
    vocabulary : vocabulary of unit ``words`` or ``characters``.
    step_seconds : time between two steps, in seconds.
    duration : duration of the clip in seconds; no word ends later.
    token_bonus : added to the path's score for each token; below 0, short tokens disappear.
    """
    spans = []
    step = 0
    for token, steps in groupby(best_path(log_probs, token_bonus)):
        stop = step + len(list(steps))
        if token != BLANK_ID:
            surest = float(np.exp(log_probs[step:stop, token].max()))
            spans.append(Span(token, step, stop, surest))
        step = stop
    words = spell(spans, vocabulary, step_seconds, duration)
    if words:
        return Hypothesis(words, min(word.confidence for word in words))
    return Hypothesis((), float(np.exp(log_probs[:, BLANK_ID].min(initial=0.0))), "silence")


def best_path(log_probs: NDArray[np.floating], token_bonus: float = 0.0) -> list[int]:
    """Return the token of each step on the path with the highest score (Viterbi).

    The score is the sum of log-probabilities plus a bonus for each run of a token; without a
    bonus, the path has the most probable token of each step.
    """
    if not token_bonus:
        return log_probs.argmax(axis=-1).tolist()
    n_steps, n_tokens = log_probs.shape
    bonus = np.full(n_tokens, token_bonus)
    bonus[BLANK_ID] = 0.0
    came_from = np.empty((n_steps, n_tokens), dtype=np.int64)
    score = np.full(n_tokens, -np.inf)
    score[BLANK_ID] = 0.0  # before the first step
    stay = np.arange(n_tokens)
    for step in range(n_steps):
        first = int(score.argmax())
        others = score.copy()
        others[first] = -np.inf
        source = np.where(stay == first, others.argmax(), first)  # the best different token
        entered = score[source] + bonus
        came_from[step] = np.where(score >= entered, stay, source)
        score = np.maximum(score, entered) + log_probs[step]
    token = int(score.argmax())
    path = []
    for step in reversed(range(n_steps)):
        path.append(token)
        token = int(came_from[step, token])
    return path[::-1]


def greedy_path(best: list[int]) -> list[int]:
    """Merge repeats in the best token of each step and drop blanks."""
    return [token for token, _ in groupby(best) if token != BLANK_ID]
