"""The steps that emit each token of a sequence, and the words that tokens spell."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

from speech_rnn.decoding.hypothesis import Word
from speech_rnn.vocabulary import Vocabulary

BLANK_ID = 0


class Span(NamedTuple):
    """A token, the steps from `start` up to `stop` that emit it, and its highest probability."""

    token: int
    start: int
    stop: int
    confidence: float


def steps_needed(tokens: Sequence[int]) -> int:
    """Return the minimum number of steps for these tokens: equal neighbours need a blank."""
    return len(tokens) + sum(a == b for a, b in pairwise(tokens))


def spell(
    spans: Sequence[Span], vocabulary: Vocabulary, step_seconds: float, duration: float
) -> tuple[Word, ...]:
    """Return the words that spans of tokens spell, with their times.

    A word of several characters covers all of them, with the lowest of their confidences.

    Parameters
    ----------
    step_seconds : time between two steps, in seconds.
    duration : duration of the clip in seconds; no word ends later.
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
