"""The best CTC path whose tokens a graph allows: exact, by Viterbi's algorithm in log space."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from speech_rnn.decoding.alignment import BLANK_ID, Span
from speech_rnn.decoding.grammar import Graph

__all__ = ["GraphSearch"]


class GraphSearch:
    """Search in a graph of tokens.

    Each state of the graph waits in blanks, each arc speaks its token for one step or more. From
    an arc the path goes on to the arc's target, or straight into an arc from there unless that
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
        self._source, target = np.array(edges).T  # (E,), by target; every target has an edge
        self._first = np.searchsorted(target, np.arange(n_states + len(arcs)))  # (S,)
        self._place = target
        self._emits = np.array([BLANK_ID] * n_states + [arc.token for arc in arcs])  # (S,)
        self._is_final = np.array(
            [state in graph.finals for state in range(n_states)]
            + [arc.target in graph.finals for arc in arcs]
        )
        self._n_states = n_states

    def __call__(self, log_probs: NDArray[np.floating]) -> tuple[list[Span], float] | None:
        """Return the spans of the best path's tokens and its log-probability.

        Parameters
        ----------
        log_probs : (T, C), natural logarithms; token 0 is the blank.

        Returns
        -------
        None if no sentence of the graph fits into the steps.
        """
        score = np.full(len(self._emits), -np.inf)
        score[0] = 0.0  # before the first step: waiting in the graph's first state
        order = np.arange(len(self._source))
        came_from = np.empty((len(log_probs), len(score)), dtype=np.int64)
        for step, emitted in enumerate(log_probs):
            offered = score[self._source]  # (E,)
            best = np.maximum.reduceat(offered, self._first)  # (S,)
            is_best = offered == best[self._place]
            edge = np.minimum.reduceat(np.where(is_best, order, len(order)), self._first)
            came_from[step] = self._source[edge]
            score = best + emitted[self._emits]
        score = np.where(self._is_final, score, -np.inf)
        state = int(score.argmax())
        if np.isneginf(score[state]):
            return None
        return self._trace(log_probs, came_from, state), float(score[state])

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
