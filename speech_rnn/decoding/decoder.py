"""Turn log-probabilities into hypotheses, with every kind of decoding."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech_rnn.decoding.alignment import spell
from speech_rnn.decoding.beam import BeamSearch, Candidate
from speech_rnn.decoding.confidence import Calibration, evidence, log_softmax
from speech_rnn.decoding.grammar import Grammar
from speech_rnn.decoding.greedy import classify, greedy_ctc
from speech_rnn.decoding.hypothesis import Hypothesis
from speech_rnn.decoding.viterbi import GraphSearch, align
from speech_rnn.errors import ConfigurationError, ModelError
from speech_rnn.language.scoring import HotWords, LanguageModel, TokenScorer
from speech_rnn.vocabulary import Vocabulary

MOST_STATES = 50_000
"""Largest number of a language model's states that are kept: 50 MB with 128 hidden units."""

Scorers = tuple[tuple[TokenScorer, float], ...]


@dataclass(frozen=True)
class Decoder:
    """Options of decoding.

    Parameters
    ----------
    beam_size : number of prefixes that a beam search keeps; None takes the best token of each step.
        Classes need no search.
    n_best : number of answers per clip: the best, and the next ones as its `alternatives`. More
        than one sequence needs a beam or a grammar.
    grammar : the only sentences that are allowed.
    reject_below : probability in [0, 1], relative to the best of all paths, below which a sentence
        is rejected with the reason ``unknown``.
    language_model : language model for shallow fusion with the beam search.
    lm_weight : weight of the language model's scores; 0 ignores it.
    token_bonus : added to the score of a sequence for each token: above 0 it balances a language
        model's preference for few tokens, below 0 it suppresses short insertions. None uses the
        recogniser's own value.
    hot_words : words or phrases that should be recognised more easily, each with the bonus that is
        added to the logarithm of a sequence's probability.

    Raises
    ------
    ConfigurationError
        if values are out of range, `n_best` is larger than the beam, a grammar is combined with a
        beam, or a language model or hot words are used without a beam.
    """

    beam_size: int | None = None
    n_best: int = 1
    grammar: Grammar | None = None
    reject_below: float = 0.0
    language_model: LanguageModel | None = None
    lm_weight: float = 0.5
    token_bonus: float | None = None
    hot_words: Mapping[str, float] | None = None
    # Created for each vocabulary when it first occurs, and kept from batch to batch.
    _graphs: dict[Vocabulary, GraphSearch] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _scorers: dict[Vocabulary, Scorers] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if self.n_best < 1:
            raise ConfigurationError(f"n_best={self.n_best} must be 1 or more")
        if not 0 <= self.reject_below <= 1:
            raise ConfigurationError(f"reject_below={self.reject_below} must lie in [0, 1]")
        if self.grammar is not None and self.beam_size is not None:
            raise ConfigurationError(
                f"beam={self.beam_size}: a grammar needs no beam; leave it out"
            )
        if self.beam_size is None and (self.language_model is not None or self.hot_words):
            raise ConfigurationError(
                "a language model and hot words need a beam, for instance beam=50"
            )
        if self.beam_size is not None:
            BeamSearch(self.beam_size)
            if self.n_best > self.beam_size:
                raise ConfigurationError(
                    f"n_best={self.n_best} is more than beam={self.beam_size} holds; widen the beam"
                )

    @property
    def is_greedy(self) -> bool:
        """Whether only the best token of each step counts."""
        return self.beam_size is None and self.grammar is None and self.n_best == 1

    def __call__(
        self,
        log_probs: NDArray[np.float32],
        lengths: Sequence[int],
        vocabulary: Vocabulary,
        *,
        step_seconds: float,
        durations: Sequence[float],
        token_bonus: float = 0.0,
    ) -> list[Hypothesis]:
        """Decode a batch.

        Parameters
        ----------
        log_probs : (B, T, C), natural logarithms; T is 1 for classes.
        lengths : number of steps of each clip, (B,).
        step_seconds : time between two steps, in seconds.
        durations : duration of each clip in seconds, (B,).
        token_bonus : bonus if the decoder has none of its own.

        Raises
        ------
        ConfigurationError
            if several answers of a CTC head are requested without a beam, or the grammar does not
            fit the vocabulary.
        ModelError
            if log-probabilities are NaN.
        """
        bonus = token_bonus if self.token_bonus is None else self.token_bonus
        clips = [row[:length] for row, length in zip(log_probs, lengths, strict=True)]
        for clip in clips:
            check_numbers(clip)
        timed = list(zip(clips, durations, strict=True))
        if self.grammar is not None:
            return [
                self._in_grammar(clip, bonus, vocabulary, step_seconds, end) for clip, end in timed
            ]
        if vocabulary.head == "classification":
            return [classify(clip[0], vocabulary, end, self.n_best) for clip, end in timed]
        if self.beam_size is None:
            if self.n_best > 1:
                raise self._needs_beam()
            return [greedy_ctc(clip, vocabulary, step_seconds, end, bonus) for clip, end in timed]
        # Characters may spell the same words with different spaces; these answers count once.
        n_traced = self.beam_size if vocabulary.unit == "characters" else self.n_best
        beams = BeamSearch(self.beam_size, self._scorers_of(vocabulary), bonus)
        is_scored = bool(self.language_model is not None or self.hot_words or bonus)
        return [
            _ranked(
                [
                    Hypothesis(
                        spell(align(clip, candidate.tokens), vocabulary, step_seconds, end),
                        candidate.share if is_scored else min(1.0, math.exp(candidate.score)),
                    )
                    for candidate in _distinct(candidates, vocabulary)[: self.n_best]
                ]
            )
            for candidates, (clip, end) in zip(
                beams(log_probs, lengths, n_traced), timed, strict=True
            )
        ]

    def check(self, vocabulary: Vocabulary) -> None:
        """Raise for options that do not fit a vocabulary, before anything is decoded.

        Raises
        ------
        ConfigurationError
            if the grammar, the language model or the hot words do not fit, several answers of a
            CTC head are requested without a beam, or a classifier is used with any of these.
        """
        needs_ctc = self.language_model is not None or bool(self.hot_words)
        if needs_ctc and vocabulary.head == "classification":
            raise ConfigurationError(
                "a language model and hot words need a recogniser of sequences, and this one "
                "gives one answer for each clip; train with vocabulary=words"
            )
        if self.grammar is not None:
            self._graph_of(vocabulary)
        elif vocabulary.head == "ctc":
            self._scorers_of(vocabulary)
            if self.n_best > 1 and self.beam_size is None:
                raise self._needs_beam()

    def _needs_beam(self) -> ConfigurationError:
        return ConfigurationError(
            f"n_best={self.n_best} sequences need a beam, for instance beam=50, or a grammar"
        )

    def _graph_of(self, vocabulary: Vocabulary) -> GraphSearch:
        if vocabulary not in self._graphs:
            assert self.grammar is not None
            self._graphs[vocabulary] = GraphSearch(self.grammar.compile(vocabulary))
        return self._graphs[vocabulary]

    def _scorers_of(self, vocabulary: Vocabulary) -> Scorers:
        """Return the scorers of a beam, which are created anew when they hold too many states."""
        kept = self._scorers.get(vocabulary, ())
        if not kept or any(scorer.n_states > MOST_STATES for scorer, _ in kept):
            scorers = []
            if self.language_model is not None and self.lm_weight:
                scorers.append((self.language_model.scorer(vocabulary), self.lm_weight))
            if self.hot_words:
                scorers.append((HotWords(self.hot_words, vocabulary), 1.0))
            kept = self._scorers[vocabulary] = tuple(scorers)
        return kept

    def _in_grammar(
        self,
        log_probs: NDArray[np.float32],
        token_bonus: float,
        vocabulary: Vocabulary,
        step_seconds: float,
        duration: float,
    ) -> Hypothesis:
        """Return sentences of the grammar, with probabilities relative to the best of all paths."""
        free = float(log_probs.max(axis=-1, initial=-np.inf).astype(np.float64).sum())
        answers = []
        nearest = 0.0
        for spans, score in self._graph_of(vocabulary)(log_probs, self.n_best, token_bonus):
            confidence = math.exp(min(0.0, score - token_bonus * len(spans) - free))
            nearest = nearest or confidence
            if confidence < self.reject_below:
                break
            words = spell(spans, vocabulary, step_seconds, duration)
            answers.append(Hypothesis(words, confidence))
        # No sentence fits into the clip, or none is probable enough.
        return _ranked(answers) if answers else Hypothesis((), nearest, "unknown")


def answers(
    logits: NDArray[np.float32],
    lengths: Sequence[int],
    vocabulary: Vocabulary,
    *,
    decoder: Decoder,
    calibration: Calibration,
    **timing: Any,
) -> list[Hypothesis]:
    """Decode the logits (B, T, C) of a batch; T is 1 for classes.

    Parameters
    ----------
    calibration : temperature of the logits, and thresholds for the answers of classes.
    lengths, vocabulary, timing : as in `Decoder`.
    """
    log_probs = log_softmax(logits / np.float32(calibration.temperature))
    found = decoder(log_probs, lengths, vocabulary, **timing)
    if vocabulary.unit != "classes":
        return found
    scores = evidence(logits[:, 0], vocabulary.tokens, against_unknown=calibration.against_unknown)
    return [
        calibration.judge(answer, round(float(score), 4))  # batches differ by 1e-7
        for answer, score in zip(found, scores, strict=True)
    ]


def check_numbers(log_probs: NDArray[np.floating]) -> None:
    """Raise for log-probabilities, of any shape, that are NaN.

    Raises
    ------
    ModelError
        if any value is NaN.
    """
    if np.isnan(log_probs).any():
        raise ModelError(
            "the model computes NaN in place of log-probabilities: its training diverged, or its "
            "file is damaged; train it again, for instance with a lower learning rate"
        )


def _distinct(candidates: Sequence[Candidate], vocabulary: Vocabulary) -> list[Candidate]:
    """Keep the best candidate of each text."""
    best: dict[tuple[str, ...], Candidate] = {}
    for candidate in candidates:
        best.setdefault(vocabulary.decode(candidate.tokens), candidate)
    return list(best.values())


def _ranked(answers: Sequence[Hypothesis]) -> Hypothesis:
    """Return the first answer with the others as alternatives; no words mean silence."""
    best, *others = (
        answer if answer.words else replace(answer, reason="silence") for answer in answers
    )
    return replace(best, alternatives=tuple(others))
