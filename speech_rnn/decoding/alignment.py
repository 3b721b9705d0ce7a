"""Where each token of a known sequence was spoken, and the words that the tokens spell."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from speech_rnn.decoding.hypothesis import Word
from speech_rnn.errors import DataError
from speech_rnn.vocabulary import Vocabulary

__all__ = ["Span", "align", "spell", "steps_needed"]

BLANK_ID = 0


class Span(NamedTuple):
    """A token, the steps from `start` up to `stop` that emit it, and its surest probability."""

    token: int
    start: int
    stop: int
    confidence: float


def steps_needed(tokens: Sequence[int]) -> int:
    """Return the fewest steps that can spell tokens: between two alike comes a blank."""
    return len(tokens) + sum(a == b for a, b in pairwise(tokens))


def align(log_probs: NDArray[np.floating], tokens: Sequence[int]) -> list[Span]:
    """Find the most probable path of a token sequence (Viterbi; Graves et al., 2006, section 4.1).

    A path walks through the sequence with a blank before, between and behind its tokens. It may
    skip a blank, though not between two tokens alike.

    Parameters
    ----------
    log_probs : (T, C), natural logarithms; token 0 is the blank.
    tokens : ids without blanks.

    Returns
    -------
    One span for each token, in their order.

    Raises
    ------
    DataError
        if there are too few steps for the tokens.
    """
    n_steps, needed = len(log_probs), steps_needed(tokens)
    if n_steps < needed:
        raise DataError(
            f"{len(tokens)} tokens need {needed} steps (a blank between two alike), "
            f"but there are {n_steps}; the clip is too short for its text"
        )
    states = np.full(2 * len(tokens) + 1, BLANK_ID)
    states[1::2] = tokens
    may_skip = np.zeros(len(states), dtype=bool)
    may_skip[2:] = (states[2:] != BLANK_ID) & (states[2:] != states[:-2])
    emitted = log_probs[:, states].astype(np.float64)  # (T, S)

    score = np.full(len(states), -np.inf)
    score[:1] = 0.0  # before the first step: the first blank or, one on, the first token
    came_from = np.zeros((n_steps, len(states)), dtype=np.int8)  # states back: 0, 1 or 2
    for step in range(n_steps):
        one_back = np.concatenate([[-np.inf], score[:-1]])
        two_back = np.where(may_skip, np.concatenate([[-np.inf] * 2, score])[: len(score)], -np.inf)
        choices = np.stack([score, one_back, two_back])  # (3, S)
        came_from[step] = choices.argmax(axis=0)
        score = choices.max(axis=0) + emitted[step]
    state = len(states) - 1
    if len(states) > 1 and score[-2] > score[-1]:
        state -= 1
    path = np.empty(n_steps, dtype=np.int64)
    for step in reversed(range(n_steps)):
        path[step] = state
        state -= came_from[step, state]
    return [_span(log_probs, token, path == 2 * place + 1) for place, token in enumerate(tokens)]


def _span(log_probs: NDArray[np.floating], token: int, is_here: NDArray[np.bool_]) -> Span:
    steps = np.flatnonzero(is_here)
    confidence = float(np.exp(log_probs[steps, token].max()))
    return Span(token, int(steps[0]), int(steps[-1]) + 1, confidence)


def spell(
    spans: Sequence[Span], vocabulary: Vocabulary, step_seconds: float, duration: float
) -> tuple[Word, ...]:
    """Return the words that spans of tokens spell, with their times.

    A word of characters spans them and is as certain as the least certain.

    Parameters
    ----------
    step_seconds : the time from one step to the next.
    duration : of the clip, in seconds; no word ends later.
    """
    words = []
    for is_space, group in groupby(spans, key=lambda span: vocabulary.tokens[span.token] == " "):
        letters = list(group)
        groups = [letters] if vocabulary.unit == "characters" else [[span] for span in letters]
        for members in [] if is_space else groups:
            text = "".join(vocabulary.tokens[span.token] for span in members)
            start, end = members[0].start * step_seconds, members[-1].stop * step_seconds
            confidence = min(span.confidence for span in members)
            words.append(Word(text, min(start, duration), min(end, duration), confidence))
    return tuple(words)
