"""Prefix beam search for the most probable token sequences, each summed over its CTC paths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from speech_rnn.decoding.alignment import BLANK_ID
from speech_rnn.errors import ConfigurationError
from speech_rnn.language.scoring import TokenScorer

NOBODY = np.uint64(1)
Floats = NDArray[np.float64]
Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]


class Candidate(NamedTuple):
    """A sequence of tokens without blanks.

    Parameters
    ----------
    score : logarithm of its probability, plus the scores of scorers and the token bonuses.
    share : exp(score), normalised over all sequences in the beam.
    """

    tokens: tuple[int, ...]
    score: float
    share: float


@dataclass(frozen=True)
class BeamSearch:
    """Keep the most probable prefixes at each step (Graves & Jaitly, 2014; Hannun et al., 2014).

    A prefix has two probabilities: that of paths ending in a blank, and that of paths ending in its
    last token. If that token is repeated, paths that end in it stay with the prefix, and paths that
    end in a blank form a longer one. If the beam holds all prefixes, the result is exact.

    Scorers are combined by shallow fusion (Gülçehre et al., 2015): prefixes are ranked by the
    logarithm of their probability, plus the weighted scores and the bonus of their tokens.

    Parameters
    ----------
    beam_size : number of prefixes that are kept.
    scorers : language models and hot words, each with its weight.
    token_bonus : bonus of each token; it balances a language model's preference for few tokens.

    Raises
    ------
    ConfigurationError
        if the beam is below 1.
    """

    beam_size: int = 50
    scorers: tuple[tuple[TokenScorer, float], ...] = ()
    token_bonus: float = 0.0

    def __post_init__(self) -> None:
        if self.beam_size < 1:
            raise ConfigurationError(f"beam={self.beam_size} must be 1 or more")

    def __call__(
        self, log_probs: NDArray[np.floating], lengths: Sequence[int], n_best: int = 1
    ) -> list[list[Candidate]]:
        """Search a batch of clips at once.

        Parameters
        ----------
        log_probs : (B, T, C), natural logarithms; token 0 is the blank.
        lengths : number of steps of each clip, (B,).
        n_best : number of sequences, best first; there may be fewer in the beam.
        """
        steps = np.asarray(lengths)
        order = np.argsort(-steps, kind="stable")  # longest first: active clips are then a slice
        beams = _Beams(self, len(steps), int(steps.max(initial=0)))
        for step in range(beams.n_steps):
            n_active = int(np.count_nonzero(steps > step))
            beams.advance(step, log_probs[order[:n_active], step].astype(np.float64))
        found = beams.best(n_best)
        return [found[place] for place in np.argsort(order)]


class _Beams:
    """The prefixes of a batch, (B, K), and their history."""

    def __init__(self, search: BeamSearch, n_clips: int, n_steps: int) -> None:
        size = search.beam_size
        self.search, self.size, self.n_steps = search, size, n_steps
        self.bonus = np.zeros((n_clips, size))  # sum of scorers' scores and token bonuses
        self.states = np.zeros((len(search.scorers), n_clips, size), dtype=np.int64)
        self.after_blank = np.full((n_clips, size), -np.inf)
        self.after_blank[:, 0] = 0.0  # the empty prefix
        self.after_token = np.full((n_clips, size), -np.inf)
        self.last = np.zeros((n_clips, size), dtype=np.int64)
        # A prefix is identified by a 64-bit hash of its tokens; collisions are not to be expected.
        self.name = np.zeros((n_clips, size), dtype=np.uint64)
        self.unused = NOBODY + 1 + np.arange(size, dtype=np.uint64)
        self.name[:, 1:] = self.unused[1:]
        self.parent = np.full((n_clips, size), NOBODY)  # hash of the prefix without its last token
        self.came_from = np.tile(np.arange(size, dtype=np.int32), (n_steps, n_clips, 1))
        self.appended = np.zeros((n_steps, n_clips, size), dtype=np.int32)

    def advance(self, step: int, log_probs: Floats) -> None:
        """Process one step (A, C) of the first A clips."""
        n_active, n_tokens = log_probs.shape
        clip = np.arange(n_active)[:, None]  # (A, 1)
        blank_next, token_next, longer = self._extended(log_probs, clip)
        token_next = self._merged(token_next, longer)
        scores = np.concatenate(
            [np.logaddexp(blank_next, token_next), longer.reshape(n_active, -1)], axis=1
        )  # (A, K + K * C)
        bonus = self._bonuses(longer.shape)
        kept = np.argpartition(-(scores + bonus), self.size - 1, axis=1)[:, : self.size]  # (A, K)
        is_longer = kept >= self.size
        source = np.where(is_longer, (kept - self.size) // n_tokens, kept)
        token = np.where(is_longer, (kept - self.size) % n_tokens, BLANK_ID)
        self.came_from[step, :n_active] = source
        self.appended[step, :n_active] = token
        self.bonus[:n_active] = bonus[clip, kept]
        self._advance_scorers(clip, source, token, is_longer)
        self._rename(clip, source, token, is_longer, np.isneginf(scores[clip, kept]))
        self.last[:n_active] = np.where(is_longer, token, self.last[clip, source])
        self.after_blank[:n_active] = np.where(is_longer, -np.inf, blank_next[clip, source])
        self.after_token[:n_active] = np.where(
            is_longer, scores[clip, kept], token_next[clip, source]
        )

    def _extended(self, log_probs: Floats, clip: Ids) -> tuple[Floats, Floats, Floats]:
        """Return each prefix's scores after a blank, and after its last token again, (A, K).

        The third array holds the scores of each prefix with one more token, (A, K, C).
        """
        n_active = len(log_probs)
        after_blank, after_token = self.after_blank[:n_active], self.after_token[:n_active]
        last = self.last[:n_active]
        total = np.logaddexp(after_blank, after_token)
        repeated = log_probs[clip, last]
        longer = total[:, :, None] + log_probs[:, None, :]
        np.put_along_axis(longer, last[:, :, None], (after_blank + repeated)[:, :, None], axis=2)
        longer[:, :, BLANK_ID] = -np.inf
        return total + log_probs[:, :1], after_token + repeated, longer

    def _merged(self, token_next: Floats, longer: Floats) -> Floats:
        """Add the score of a longer prefix to the same prefix if the beam has it already."""
        n_active = len(longer)
        last = self.last[:n_active]
        is_parent = self.name[:n_active, :, None] == self.parent[:n_active, None, :]  # (A, K, K)
        rows, places = np.nonzero(is_parent.any(axis=1))
        joining = rows, is_parent.argmax(axis=1)[rows, places], last[rows, places]
        merged = token_next.copy()
        merged[rows, places] = np.logaddexp(token_next[rows, places], longer[joining])
        longer[joining] = -np.inf
        return merged

    def _bonuses(self, shape: tuple[int, ...]) -> Floats:
        """Return the bonuses of all prefixes that could be kept, (A, K + K * C)."""
        n_active = shape[0]
        bonus = self.bonus[:n_active]  # (A, K)
        added: Floats | float = self.search.token_bonus
        for (scorer, weight), states in zip(self.search.scorers, self.states, strict=True):
            added = added + weight * scorer.scores(states[:n_active])
        longer = np.broadcast_to(bonus[:, :, None] + added, shape)
        return np.concatenate([bonus, longer.reshape(n_active, -1)], axis=1)

    def _advance_scorers(self, clip: Ids, source: Ids, token: Ids, is_longer: Mask) -> None:
        for place, (scorer, _) in enumerate(self.search.scorers):
            states = self.states[place, : len(clip)][clip, source]
            states[is_longer] = scorer.advance(states[is_longer], token[is_longer])
            self.states[place, : len(clip)] = states

    def _rename(self, clip: Ids, source: Ids, token: Ids, is_longer: Mask, is_empty: Mask) -> None:
        before = self.name[clip, source]
        parent = np.where(is_longer, before, self.parent[clip, source])
        name = np.where(is_longer, _named(before, token), before)
        # Impossible prefixes get no hash, so that they do not match real ones.
        self.parent[: len(clip)] = np.where(is_empty, NOBODY, parent)
        self.name[: len(clip)] = np.where(is_empty, self.unused, name)

    def best(self, n_best: int) -> list[list[Candidate]]:
        """Return the most probable sequences of each clip, by backtracking."""
        total = np.logaddexp(self.after_blank, self.after_token) + self.bonus
        for (scorer, weight), states in zip(self.search.scorers, self.states, strict=True):
            total += weight * scorer.finals(states)
        share = np.exp(total - np.logaddexp.reduce(total, axis=1, keepdims=True))
        ranked = np.argsort(-total, axis=1, kind="stable")[:, :n_best]
        return [
            [
                Candidate(
                    self._trace(clip, place), float(total[clip, place]), float(share[clip, place])
                )
                for place in places
                if np.isfinite(total[clip, place])
            ]
            for clip, places in enumerate(ranked)
        ]

    def _trace(self, clip: int, place: int) -> tuple[int, ...]:
        tokens = []
        for step in reversed(range(self.n_steps)):
            if token := int(self.appended[step, clip, place]):
                tokens.append(token)
            place = self.came_from[step, clip, place]
        return tuple(reversed(tokens))


def _named(parent: NDArray[np.uint64], token: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return a prefix's hash from its parent's hash and its last token (splitmix64, 2014)."""
    mixed = parent + (token.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
