"""Scores of the next tokens for a beam search, from a language model or from hot words."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from speech_rnn.errors import ConfigurationError, did_you_mean
from speech_rnn.language.text import SPACE
from speech_rnn.vocabulary import Vocabulary

Ids = NDArray[np.int64]
Floats = NDArray[np.float64]


class LanguageModel(Protocol):
    """A model that scores token sequences, such as `NGram` and `RecurrentLanguageModel`."""

    @property
    def name(self) -> str:
        """Name of the model in messages."""

    @property
    def unit(self) -> str:
        """``words`` or ``characters``."""

    @property
    def words(self) -> tuple[str, ...]:
        """The vocabulary, without sentence ends and the unknown word."""

    def scorer(self, vocabulary: Vocabulary) -> TokenScorer:
        """Return a scorer for a vocabulary's tokens.

        Raises
        ------
        ConfigurationError
            if the vocabulary has another unit, or lacks words of the model.
        """

    def score(self, sentence: str) -> tuple[float, int]:
        """Return a sentence's log-probability (natural) including its end, and its token count.

        Unknown tokens are left out of both.
        """


class TokenScorer(ABC):
    """An automaton over tokens whose states are created, and scored, when they first occur.

    State 0 is the start of a sentence. Scores are natural logarithms; the score of the blank, token
    0, is 0.
    """

    def __init__(self, n_tokens: int) -> None:
        self.n_states = 0
        self._scores = np.empty((0, n_tokens))
        self._final = np.empty(0)
        self._next = np.empty((0, n_tokens), dtype=np.int64)

    def scores(self, states: Ids) -> Floats:
        """Return the scores of all tokens after states of any shape: (…, C)."""
        return self._scores[states]

    def finals(self, states: Ids) -> Floats:
        """Return the scores of the end of a sentence, in the shape of `states`."""
        return self._final[states]

    def advance(self, states: Ids, tokens: Ids) -> Ids:
        """Return the states after one more token each."""
        found = self._next[states, tokens]
        if (is_new := found < 0).any():
            pairs = np.unique(np.stack([states[is_new], tokens[is_new]]), axis=1)
            self._next[pairs[0], pairs[1]] = self.extend(*pairs)
            found = self._next[states, tokens]
        return found

    @abstractmethod
    def extend(self, states: Ids, tokens: Ids) -> Ids:
        """Create the states, (n,), that follow `states`, (n,), after `tokens`, (n,)."""

    def add(self, scores: Floats, final: Floats) -> Ids:
        """Add n states with their scores (n, C) and end scores (n,); return their numbers."""
        numbers = np.arange(self.n_states, self.n_states + len(scores))
        self.n_states += len(scores)
        if self.n_states > len(self._final):  # double the capacity
            room = max(64, 2 * self.n_states) - len(self._final)
            self._scores = np.pad(self._scores, ((0, room), (0, 0)))
            self._final = np.pad(self._final, (0, room))
            self._next = np.pad(self._next, ((0, room), (0, 0)), constant_values=-1)
        self._scores[numbers] = scores
        self._final[numbers] = final
        return numbers


class KeyedScorer(TokenScorer):
    """An automaton whose states are identified by keys, such as the words so far.

    Parameters
    ----------
    n_tokens : number of tokens of the vocabulary.
    start : key of the start of a sentence.
    """

    def __init__(self, n_tokens: int, start: Hashable) -> None:
        super().__init__(n_tokens)
        self._n_tokens = n_tokens
        self._keys: list[Any] = []
        self._numbers: dict[Any, int] = {}
        self._number(start)

    @abstractmethod
    def after(self, key: Any, token: int) -> tuple[Any, float]:
        """Return the key after a token, and the token's score."""

    @abstractmethod
    def final(self, key: Any) -> float:
        """Return the score of the end of a sentence."""

    def extend(self, states: Ids, tokens: Ids) -> Ids:
        """Create the following states; see `TokenScorer.extend`."""
        pairs = zip(states.tolist(), tokens.tolist(), strict=True)
        return np.array([self._number(self.after(self._keys[s], t)[0]) for s, t in pairs])

    def _number(self, key: Any) -> int:
        if key not in self._numbers:
            scores = [0.0] + [self.after(key, token)[1] for token in range(1, self._n_tokens)]
            self._keys.append(key)
            self._numbers[key] = int(self.add(np.array([scores]), np.array([self.final(key)]))[0])
        return self._numbers[key]


class HotWords(KeyedScorer):
    """Words or phrases that should be recognised more easily.

    Each token of a phrase adds its share of the bonus as soon as it is recognised; a phrase that is
    not completed loses it again.

    Parameters
    ----------
    bonuses : bonus of each phrase, added to the logarithm of a sequence's probability.
    vocabulary : vocabulary whose tokens spell the phrases.

    Raises
    ------
    ConfigurationError
        if the vocabulary lacks phrases; the error lists all of them with the nearest words.
    """

    def __init__(self, bonuses: Mapping[str, float], vocabulary: Vocabulary) -> None:
        texts = [text for phrase in bonuses for text in _spelled(phrase, vocabulary)]
        check_fit("hot_words", texts, vocabulary)
        self.separator = (
            vocabulary.tokens.index(" ")
            if vocabulary.unit == "characters" and " " in vocabulary.tokens
            else None
        )
        # The bonus of every prefix of a phrase; the highest one if several phrases share it.
        self.earned: dict[tuple[int, ...], float] = {(): 0.0}
        self.whole: dict[tuple[int, ...], float] = {}
        for phrase, bonus in bonuses.items():
            tokens = tuple(vocabulary.encode(phrase))
            self.whole[tokens] = bonus
            for size in range(1, len(tokens) + 1):
                share = bonus * size / len(tokens)
                self.earned[tokens[:size]] = max(self.earned.get(tokens[:size], share), share)
        super().__init__(len(vocabulary), ())

    def final(self, key: tuple[int, ...] | None) -> float:
        """Return the score of a sentence's end, which takes back the bonus of an open phrase."""
        return self.whole.get(key or (), 0.0) - self.earned[key or ()]

    def after(
        self, key: tuple[int, ...] | None, token: int
    ) -> tuple[tuple[int, ...] | None, float]:
        """Return the prefix of a phrase after one more token, and that token's bonus.

        None stands for the rest of a word of characters that is not a hot word.
        """
        if key is None:
            return (() if token == self.separator else None), 0.0
        if (*key, token) in self.earned:
            longer = (*key, token)
            return longer, self.earned[longer] - self.earned[key]
        settled = self.whole.get(key, 0.0) - self.earned[key]
        if self.separator is not None:
            if token == self.separator:
                return (), settled
            return None, -self.earned[key]
        if (token,) in self.earned:
            return (token,), settled + self.earned[(token,)]
        return (), settled


def check_fit(name: str, words: list[str], vocabulary: Vocabulary) -> None:
    """Raise for words, or characters, that a vocabulary lacks, with the nearest ones.

    Raises
    ------
    ConfigurationError
        if there are any; the error lists all of them.
    """
    known = {part for token in vocabulary.tokens[1:] for part in _spelled(token, vocabulary)}
    if lacking := [word for word in dict.fromkeys(words) if word not in known]:
        raise ConfigurationError(
            f"{name}: the recogniser's vocabulary lacks {', '.join(map(repr, lacking))}; leave "
            f"these out, or train a recogniser with them{did_you_mean(lacking, sorted(known))}"
        )


def check_model(model: LanguageModel, vocabulary: Vocabulary) -> None:
    """Raise for a language model with another unit, or with words that a vocabulary lacks.

    Raises
    ------
    ConfigurationError
        unless the units are equal and the words are in the vocabulary.
    """
    if model.unit != vocabulary.unit:
        raise ConfigurationError(
            f"{model.name} is a language model of {model.unit}, and the recogniser's tokens are "
            f"{vocabulary.unit}; train one with +recipe=language_model vocabulary={vocabulary.unit}"
        )
    words = [" " if word == SPACE else word for word in model.words]
    check_fit(model.name, words, vocabulary)


def _spelled(text: str, vocabulary: Vocabulary) -> list[str]:
    return list(text) if vocabulary.unit == "characters" else text.split()


def perplexity(model: LanguageModel, sentences: Sequence[str]) -> float:
    """Return exp of the mean of -log p over the tokens of sentences, including their ends.

    Tokens that the model does not have are left out.
    """
    scores = [model.score(sentence) for sentence in sentences]
    total, count = (sum(values) for values in zip(*scores, strict=True))
    return math.exp(-total / count)
