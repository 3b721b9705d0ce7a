"""How a head's log-probabilities become hypotheses: one way for every kind of decoding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from speech_rnn.decoding.alignment import align, spell
from speech_rnn.decoding.beam import BeamSearch, Candidate
from speech_rnn.decoding.grammar import Grammar
from speech_rnn.decoding.greedy import classify, greedy_ctc
from speech_rnn.decoding.hypothesis import Hypothesis
from speech_rnn.decoding.viterbi import GraphSearch
from speech_rnn.errors import ConfigurationError
from speech_rnn.vocabulary import Vocabulary

__all__ = ["Decoder"]


@dataclass(frozen=True)
class Decoder:
    """The choices of decoding.

    Parameters
    ----------
    beam_size : prefixes that a beam search keeps; None takes the best token of each step. Classes
        need no search.
    n_best : answers a clip: the best and, as its `alternatives`, the next ones. Sequences need a
        beam for more than one.
    grammar : the sentences that may be answered, and no other.
    reject_below : a sentence of the grammar is answered if its best path is at least so probable,
        relative to the best path of all; in [0, 1]. Otherwise the reason is ``unknown``.

    Raises
    ------
    ConfigurationError
        for values out of their range, more answers than the beam holds, and a grammar with a beam.
    """

    beam_size: int | None = None
    n_best: int = 1
    grammar: Grammar | None = None
    reject_below: float = 0.0

    def __post_init__(self) -> None:
        if self.n_best < 1:
            raise ConfigurationError(f"n_best={self.n_best} must be 1 or more")
        if not 0 <= self.reject_below <= 1:
            raise ConfigurationError(f"reject_below={self.reject_below} must lie in [0, 1]")
        if self.grammar is not None and (self.beam_size is not None or self.n_best > 1):
            raise ConfigurationError(
                f"beam={self.beam_size}, n_best={self.n_best}: a grammar has one best sentence, "
                "found without a beam; leave these out"
            )
        if self.beam_size is not None:
            BeamSearch(self.beam_size)
            if self.n_best > self.beam_size:
                raise ConfigurationError(
                    f"n_best={self.n_best} is more than beam={self.beam_size} holds; widen the beam"
                )

    def __call__(
        self,
        log_probs: NDArray[np.float32],
        lengths: Sequence[int],
        vocabulary: Vocabulary,
        *,
        step_seconds: float,
        durations: Sequence[float],
    ) -> list[Hypothesis]:
        """Answer for a batch.

        Parameters
        ----------
        log_probs : (B, T, C), natural logarithms; T is 1 for classes.
        lengths : steps of each clip, (B,).
        step_seconds : the time from one step to the next.
        durations : of each clip, (B,), in seconds.

        Raises
        ------
        ConfigurationError
            if several answers of a CTC head are wanted without a beam, and if the grammar does not
            fit the vocabulary.
        """
        clips = [row[:length] for row, length in zip(log_probs, lengths, strict=True)]
        timed = list(zip(clips, durations, strict=True))
        if self.grammar is not None:
            search = _compiled(self.grammar, vocabulary)
            return [
                self._within(search, clip, vocabulary, step_seconds, end) for clip, end in timed
            ]
        if vocabulary.head == "classification":
            return [classify(clip[0], vocabulary, end, self.n_best) for clip, end in timed]
        if self.beam_size is None:
            if self.n_best > 1:
                raise ConfigurationError(
                    f"n_best={self.n_best} sequences need a beam, for instance beam=50"
                )
            return [greedy_ctc(clip, vocabulary, step_seconds, end) for clip, end in timed]
        # Characters may spell the same words with other spaces: such answers count once.
        n_traced = self.beam_size if vocabulary.unit == "characters" else self.n_best
        found = BeamSearch(self.beam_size)(log_probs, lengths, n_traced)
        return [
            _ranked(
                [
                    _hypothesis(candidate, clip, vocabulary, step_seconds, end)
                    for candidate in _distinct(candidates, vocabulary)[: self.n_best]
                ]
            )
            for candidates, (clip, end) in zip(found, timed, strict=True)
        ]

    def _within(
        self,
        search: GraphSearch,
        log_probs: NDArray[np.float32],
        vocabulary: Vocabulary,
        step_seconds: float,
        duration: float,
    ) -> Hypothesis:
        """Answer with a sentence of the grammar, as sure as it is near to the freest path."""
        found = search(log_probs)
        if found is None:  # the clip is too short for any sentence
            return Hypothesis((), 0.0, "unknown")
        spans, score = found
        free = float(log_probs.max(axis=-1, initial=-np.inf).astype(np.float64).sum())
        confidence = math.exp(min(0.0, score - free))
        if confidence < self.reject_below:
            return Hypothesis((), confidence, "unknown")
        words = spell(spans, vocabulary, step_seconds, duration)
        return Hypothesis(words, confidence, None if words else "silence")


@lru_cache(maxsize=8)
def _compiled(grammar: Grammar, vocabulary: Vocabulary) -> GraphSearch:
    return GraphSearch(grammar.compile(vocabulary))


def _distinct(candidates: Sequence[Candidate], vocabulary: Vocabulary) -> list[Candidate]:
    """Keep the best candidate of each text."""
    best: dict[tuple[str, ...], Candidate] = {}
    for candidate in candidates:
        best.setdefault(vocabulary.decode(candidate.tokens), candidate)
    return list(best.values())


def _hypothesis(
    candidate: Candidate,
    log_probs: NDArray[np.float32],
    vocabulary: Vocabulary,
    step_seconds: float,
    duration: float,
) -> Hypothesis:
    words = spell(align(log_probs, candidate.tokens), vocabulary, step_seconds, duration)
    confidence = min(1.0, math.exp(candidate.score))
    return Hypothesis(words, confidence, None if words else "silence")


def _ranked(answers: Sequence[Hypothesis]) -> Hypothesis:
    best, *others = answers
    return replace(best, alternatives=tuple(others))
