"""Language models in KenLM's binary format, read by KenLM itself (Heafield, 2011)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech_rnn.errors import DataError, MissingExtraError
from speech_rnn.language.scoring import TokenScorer, check_model
from speech_rnn.vocabulary import Vocabulary

__all__ = ["KenLanguageModel"]


class KenLanguageModel:
    """A model of words in a file that KenLM wrote. Such a file does not tell its words.

    Parameters
    ----------
    path : of the file.

    Raises
    ------
    MissingExtraError
        if ``kenlm`` is not installed.
    DataError
        if the file cannot be read.
    """

    unit = "words"
    words: tuple[str, ...] = ()

    def __init__(self, path: str | Path) -> None:
        try:
            import kenlm
        except ImportError as error:
            raise MissingExtraError("kenlm", "kenlm") from error
        self.name, self._library = str(path), kenlm
        try:
            self.model: Any = kenlm.Model(str(path))
        except OSError as error:
            raise DataError(f"lm={str(path)!r} cannot be read: {error}") from error

    def score(self, sentence: str) -> tuple[float, int]:
        """Return the natural logarithm of a sentence's probability with its end, and its tokens.

        Unknown words are left out of both.
        """
        known = [
            score for score, _, is_unknown in self.model.full_scores(sentence) if not is_unknown
        ]
        return sum(known) * math.log(10), len(known)

    def scorer(self, vocabulary: Vocabulary) -> TokenScorer:
        """Return its scores of a vocabulary's tokens.

        Raises
        ------
        ConfigurationError
            for a vocabulary of another unit.
        """
        check_model(self, vocabulary)
        return _KenScorer(self.model, self._library.State, vocabulary)


class _KenScorer(TokenScorer):
    """Its states are KenLM's."""

    def __init__(self, model: Any, state: Any, vocabulary: Vocabulary) -> None:
        super().__init__(len(vocabulary))
        self.model, self.new_state = model, state
        self.tokens = [token.split() for token in vocabulary.tokens]
        self.states: list[Any] = []
        self.numbers: dict[Any, int] = {}
        begin = state()
        model.BeginSentenceWrite(begin)
        self._number(begin)

    def extend(self, states: NDArray[np.int64], tokens: NDArray[np.int64]) -> NDArray[np.int64]:
        pairs = zip(states.tolist(), tokens.tolist(), strict=True)
        after = [self._read(self.states[state], self.tokens[token])[0] for state, token in pairs]
        return np.array([self._number(state) for state in after])

    def _number(self, state: Any) -> int:
        if state not in self.numbers:
            scores = [0.0] + [self._read(state, words)[1] for words in self.tokens[1:]]
            final = self._read(state, ["</s>"])[1]
            self.states.append(state)
            self.numbers[state] = int(self.add(np.array([scores]), np.array([final]))[0])
        return self.numbers[state]

    def _read(self, state: Any, words: list[str]) -> tuple[Any, float]:
        """Return the state after words, and the natural logarithm of their probability."""
        total = 0.0
        for word in words:
            following = self.new_state()
            total += self.model.BaseScore(state, word, following)
            state = following
        return state, total * math.log(10)
