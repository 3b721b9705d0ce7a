"""Language models in KenLM's binary format, read by KenLM itself (Heafield, 2011)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from speech_rnn.errors import DataError, MissingExtraError
from speech_rnn.language.scoring import KeyedScorer, check_model
from speech_rnn.vocabulary import Vocabulary


class KenLanguageModel:
    """A model of words in a file that KenLM wrote. Such a file does not list its words.

    Parameters
    ----------
    path : path of the file.

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
        """Score a sentence; see `LanguageModel.score`."""
        known = [
            score for score, _, is_unknown in self.model.full_scores(sentence) if not is_unknown
        ]
        return sum(known) * math.log(10), len(known)

    def scorer(self, vocabulary: Vocabulary) -> KeyedScorer:
        """Return its scores of a vocabulary's tokens; see `LanguageModel.scorer`."""
        check_model(self, vocabulary)
        return _KenScorer(self.model, self._library.State, vocabulary)


class _KenScorer(KeyedScorer):
    """A scorer whose states are KenLM's."""

    def __init__(self, model: Any, state: Any, vocabulary: Vocabulary) -> None:
        self.model, self.new_state = model, state
        self.tokens = [token.split() for token in vocabulary.tokens]
        begin = state()
        model.BeginSentenceWrite(begin)
        super().__init__(len(vocabulary), begin)

    def after(self, key: Any, token: int) -> tuple[Any, float]:
        return self._read(key, self.tokens[token])

    def final(self, key: Any) -> float:
        return self._read(key, ["</s>"])[1]

    def _read(self, state: Any, words: list[str]) -> tuple[Any, float]:
        """Return the state after words, and the natural logarithm of their probability."""
        total = 0.0
        for word in words:
            following = self.new_state()
            total += self.model.BaseScore(state, word, following)
            state = following
        return state, total * math.log(10)
