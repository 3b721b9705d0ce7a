"""The best CTC path whose tokens a graph allows: exact, with Viterbi's algorithm in log space."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from speech_rnn.decoding.alignment import BLANK_ID, Span, steps_needed
from speech_rnn.decoding.grammar import Arc, Graph
from speech_rnn.errors import DataError


def align(log_probs: NDArray[np.floating], tokens: Sequence[int]) -> list[Span]:
    """Find the most probable path of a token sequence (Graves et al., 2006, section 4.1).

    Parameters
    ----------
    log_probs : (T, C), natural logarithms; token 0 is the blank.
    tokens : ids without blanks.

    Returns
    -------
    One span for each token, in order.

    Raises
    ------
    DataError
        if there are too few steps for the tokens, or their probability is 0.
    """
    n_steps, needed = len(log_probs), steps_needed(tokens)
    if n_steps < needed:
        raise DataError(
            f"{len(tokens)} tokens need {needed} steps (with a blank between equal ones), but "
            f"there are {n_steps}; the clip is too short for its text"
        )
    arcs = tuple(Arc(place, token, place + 1) for place, token in enumerate(tokens))
    found = GraphSearch(Graph(len(tokens) + 1, arcs, frozenset({len(tokens)})))(log_probs)
    if not found:
        raise DataError(f"{len(tokens)} tokens have a probability of 0 in these steps")
    return found[0][0]


class GraphSearch:
    """Search in a graph of tokens.

    Each state of the graph emits blanks, and each arc emits its token for one or more steps. After
    an arc, the path continues in the arc's target state, or directly in one of its arcs unless that
    has the same token (Graves et al., 2006).
    """

    def __init__(self, graph: Graph) -> None:
        n_states, arcs = graph.n_states, graph.arcs
        leaving = defaultdict(list)
        for number, arc in enumerate(arcs):
            leaving[arc.source].append(number)
        edges = [(state, state) for state in range(n_states)]
        for number, arc in enumerate(arcs):
            here = n_states + number
            edges += [(here, here), (here, arc.target), (arc.source, here)]
            edges += [
                (here, n_states + after)
                for after in leaving[arc.target]
                if arcs[after].token != arc.token
            ]
        edges.sort(key=lambda edge: edge[1])
        self._targets: dict[int, list[int]] = defaultdict(list)
        for source, end in edges:
            self._targets[source].append(end)
        self._source, target = np.array(edges).T  # (E,), by target; every target has an edge
        self._first = np.searchsorted(target, np.arange(n_states + len(arcs)))  # (S,)
        self._place = target
        self._begins = (target >= n_states) & (target != self._source)  # (E,)
        self._emits = np.array([BLANK_ID] * n_states + [arc.token for arc in arcs])  # (S,)
        self._is_final = np.array(
            [state in graph.finals for state in range(n_states)]
            + [arc.target in graph.finals for arc in arcs]
        )
        self._n_states = n_states

    def __call__(
        self, log_probs: NDArray[np.floating], n_best: int = 1, token_bonus: float = 0.0
    ) -> list[tuple[list[Span], float]]:
        """Return the token spans and scores of the best paths, best first.

        A score is the logarithm of a path's probability, plus a bonus for each token. All results
        have different tokens; each is the best path of its tokens.

        Parameters
        ----------
        log_probs : (T, C), natural logarithms; token 0 is the blank.
        n_best : number of paths; there are fewer if fewer sentences fit into the steps.
        token_bonus : bonus of each token.
        """
        if n_best == 1:
            return self._best(log_probs, token_bonus)
        return self._several(log_probs, n_best, token_bonus)

    def _best(
        self, log_probs: NDArray[np.floating], token_bonus: float
    ) -> list[tuple[list[Span], float]]:
        bonus = token_bonus * self._begins  # (E,)
        score = np.full(len(self._emits), -np.inf)
        score[0] = 0.0  # before the first step, in the graph's first state
        order = np.arange(len(self._source))
        came_from = np.empty((len(log_probs), len(score)), dtype=np.int64)
        for step, emitted in enumerate(log_probs):
            offered = score[self._source] + bonus  # (E,)
            best = np.maximum.reduceat(offered, self._first)  # (S,)
            is_best = offered == best[self._place]
            edge = np.minimum.reduceat(np.where(is_best, order, len(order)), self._first)
            came_from[step] = self._source[edge]
            score = best + emitted[self._emits]
        score = np.where(self._is_final, score, -np.inf)
        state = int(score.argmax())
        if np.isneginf(score[state]):
            return []
        return [(self._trace(log_probs, came_from, state), float(score[state]))]

    def _several(
        self, log_probs: NDArray[np.floating], n_best: int, token_bonus: float
    ) -> list[tuple[list[Span], float]]:
        """Keep the best path of each of the n best token sequences in each state.

        This is exact: a prefix of one of the n best sentences is among the n best of its state.
        """
        reached: dict[int, list[_Path]] = {0: [_Path(0.0, (), ())]}
        for step, emitted in enumerate(log_probs.astype(np.float64)):
            offered: dict[int, dict[tuple[int, ...], _Path]] = defaultdict(dict)
            for state, paths in reached.items():
                for target in self._targets[state]:
                    token = int(self._emits[target])
                    begins = target >= self._n_states and target != state
                    known = offered[target]
                    for path in paths:
                        added = float(emitted[token]) + (token_bonus if begins else 0.0)
                        longer = path.after(token, step, begins, added)
                        other = known.get(longer.tokens)
                        if other is None or other.score < longer.score:
                            known[longer.tokens] = longer
            reached = {
                state: sorted(known.values(), key=lambda path: -path.score)[:n_best]
                for state, known in offered.items()
            }
        best: dict[tuple[int, ...], _Path] = {}
        final = [
            path for state, paths in reached.items() if self._is_final[state] for path in paths
        ]
        for path in sorted(final, key=lambda path: -path.score):
            if np.isfinite(path.score):
                best.setdefault(path.tokens, path)
        return [(path.spans(log_probs), path.score) for path in list(best.values())[:n_best]]

    def _trace(
        self, log_probs: NDArray[np.floating], came_from: NDArray[np.int64], state: int
    ) -> list[Span]:
        spans: list[Span] = []
        stop = len(came_from)
        for step in reversed(range(len(came_from))):
            before = int(came_from[step, state])
            if before != state or step == 0:
                if state >= self._n_states:
                    token = int(self._emits[state])
                    confidence = float(np.exp(log_probs[step:stop, token].max()))
                    spans.append(Span(token, step, stop, confidence))
                stop = step
            state = before
        return spans[::-1]


class _Path(NamedTuple):
    """A partial path: its tokens, and the steps that emit each of them."""

    score: float
    tokens: tuple[int, ...]
    steps: tuple[tuple[int, int], ...]

    def after(self, token: int, step: int, begins: bool, added: float) -> _Path:
        """Extend the path by one step, which begins a token, repeats the last one, or is blank."""
        score = self.score + added
        if token == BLANK_ID:
            return _Path(score, self.tokens, self.steps)
        if begins:
            return _Path(score, (*self.tokens, token), (*self.steps, (step, step + 1)))
        start, _ = self.steps[-1]
        return _Path(score, self.tokens, (*self.steps[:-1], (start, step + 1)))

    def spans(self, log_probs: NDArray[np.floating]) -> list[Span]:
        return [
            Span(token, start, stop, float(np.exp(log_probs[start:stop, token].max())))
            for token, (start, stop) in zip(self.tokens, self.steps, strict=True)
        ]
