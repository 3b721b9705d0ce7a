"""N-gram language models: estimated from text, and stored as ARPA files."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from speech_rnn.errors import ConfigurationError, DataError
from speech_rnn.language.scoring import KeyedScorer, check_model
from speech_rnn.language.text import BEGIN, END, SPACE, UNKNOWN_TOKEN, tokens_of
from speech_rnn.storage import atomic
from speech_rnn.storage.text import read_lines
from speech_rnn.vocabulary import Vocabulary

Gram = tuple[str, ...]
NEVER = -99.0
"""The value that ARPA files use for the logarithm of 0."""
FARTHEST = 10_000.0
"""Largest absolute logarithm in an ARPA file, so that sums stay finite."""
HIGHEST_ORDER = 20
SECTION = re.compile(r"\\(.*)-grams:\s*")
PROMISE = re.compile(r"ngram\s+(\d{1,9})\s*=\s*(\d{1,18})\s*")


@dataclass(frozen=True, eq=False)
class NGram:
    """A back-off model (Katz, 1987).

    Parameters
    ----------
    log_probs : base-10 logarithm of the probability of an n-gram's last token, given the others.
    back_offs : base-10 logarithm of the back-off weight of each n-gram that is a context.
    name : name of the model in messages, such as its file.
    """

    log_probs: dict[Gram, float]
    back_offs: dict[Gram, float] = field(default_factory=dict)
    name: str = "ngram"

    @property
    def order(self) -> int:
        """Length of the longest n-gram in tokens."""
        return max(map(len, self.log_probs))

    @property
    def words(self) -> tuple[str, ...]:
        """The vocabulary, without sentence ends and the unknown token."""
        marks = (BEGIN, END, UNKNOWN_TOKEN)
        return tuple(gram[0] for gram in self.log_probs if len(gram) == 1 and gram[0] not in marks)

    @property
    def unit(self) -> str:
        """``characters`` if all tokens are single characters, otherwise ``words``."""
        letters = all(len(word) == 1 or word == SPACE for word in self.words)
        return "characters" if letters else "words"

    @classmethod
    def estimate(cls, sentences: Iterable[Sequence[str]], order: int = 3) -> NGram:
        """Estimate a model from sentences, smoothed by interpolation (Witten & Bell, 1991).

        The probability of a token after a context is its relative frequency, interpolated with
        its probability after the shorter context. The weight depends on the number of distinct
        tokens that have followed the context.

        Parameters
        ----------
        sentences : sentences as sequences of tokens.
        order : length of the longest n-gram in tokens.

        Raises
        ------
        ConfigurationError
            if the order is below 1.
        DataError
            if there are no sentences.
        """
        if order < 1:
            raise ConfigurationError(f"order={order} must be 1 or more")
        counts: dict[Gram, Counter[str]] = defaultdict(Counter)
        for sentence in sentences:
            padded = (BEGIN, *sentence, END)
            for place in range(1, len(padded)):
                for size in range(min(order - 1, place) + 1):
                    counts[padded[place - size : place]][padded[place]] += 1
        if not counts:
            raise DataError("there are no sentences to count; give a text with some")
        known = sorted({*counts[()], UNKNOWN_TOKEN})
        shares: dict[Gram, dict[str, float]] = {(): dict.fromkeys(known, 1 / len(known))}
        log_probs: dict[Gram, float] = {(BEGIN,): NEVER}
        back_offs: dict[Gram, float] = {}
        for context in sorted(counts, key=len):
            followers = counts[context]
            kinds, total = len(followers), sum(followers.values())
            shorter = shares[context[1:]] if context else shares[()]
            seen = sorted(followers) if context else known
            shares[context] = {
                token: (followers[token] + kinds * shorter[token]) / (total + kinds)
                for token in seen
            }
            for token, share in shares[context].items():
                gram = (*context, token)
                log_probs[gram] = math.log10(share)
            if context:
                back_offs[context] = math.log10(kinds / (total + kinds))
        return cls(log_probs, back_offs)

    def log10(self, context: Gram, token: str) -> float:
        """Return the base-10 logarithm of a token's probability after a context."""
        context = context[max(0, len(context) - self.order + 1) :]
        if (found := self.log_probs.get((*context, token))) is not None:
            return found
        if not context:
            return self.log_probs.get((UNKNOWN_TOKEN,), NEVER)
        return self.back_offs.get(context, 0.0) + self.log10(context[1:], token)

    def score(self, sentence: str) -> tuple[float, int]:
        """Score a sentence; see `LanguageModel.score`."""
        total, count = 0.0, 0
        context: Gram = (BEGIN,)
        for token in (*tokens_of(sentence, self.unit), END):
            if (token,) in self.log_probs:
                total += self.log10(context, token) * math.log(10)
                count += 1
            context = (*context, token)[-self.order :]
        return total, count

    def scorer(self, vocabulary: Vocabulary) -> KeyedScorer:
        """Return a scorer for a vocabulary's tokens; see `LanguageModel.scorer`."""
        return _NGramScorer(self, vocabulary)

    def save(self, path: str | Path) -> None:
        """Write an ARPA file."""
        atomic.write(path, "".join(f"{line}\n" for line in self._arpa()))

    def _arpa(self) -> Iterator[str]:
        sizes = Counter(map(len, self.log_probs))
        yield "\\data\\"
        yield from (f"ngram {size}={sizes[size]}" for size in sorted(sizes))
        for size in sorted(sizes):
            yield f"\n\\{size}-grams:"
            for gram, log_prob in sorted(self.log_probs.items()):
                if len(gram) == size:
                    line = f"{log_prob:.7f}\t{' '.join(gram)}"
                    weight = self.back_offs.get(gram)
                    yield line if weight is None else f"{line}\t{weight:.7f}"
        yield "\n\\end\\"

    @classmethod
    def load(cls, path: str | Path) -> NGram:
        """Read an ARPA file.

        Raises
        ------
        DataError
            if it cannot be read; the error gives the wrong line.
        """
        log_probs: dict[Gram, float] = {}
        back_offs: dict[Gram, float] = {}
        promised: dict[int, int] = {}
        size = 0
        for number, line in enumerate(read_lines(path, "lm"), start=1):
            try:
                if section := SECTION.fullmatch(line):
                    size = _next_size(section[1], size)
                elif not size and (promise := PROMISE.fullmatch(line)):
                    promised[int(promise[1])] = int(promise[2])
                elif size and line.strip() and not line.startswith("\\"):
                    gram, log_probs[gram], weight = _entry(line.split(), size)
                    if weight is not None:
                        back_offs[gram] = weight
            except ValueError as error:
                raise DataError(f"lm={str(path)!r}, line {number}: {error}") from error
        if (END,) not in log_probs:
            raise DataError(
                f"lm={str(path)!r} is not an ARPA file: it has no \\1-grams: with {END}; "
                "train one with +recipe=language_model"
            )
        found = Counter(map(len, log_probs))
        for size, count in promised.items():
            if found[size] < count:
                raise DataError(
                    f"lm={str(path)!r} is cut short: its header announces {count} "
                    f"{size}-grams, and it has {found[size]}; create or download it again"
                )
        return cls(log_probs, back_offs, str(path))


def _next_size(given: str, before: int) -> int:
    """Return the n of a section's n-grams; the previous section has n = `before`."""
    if given != str(before + 1) or before == HIGHEST_ORDER:
        raise ValueError(
            f"section \\{given:.20}-grams: must be \\{before + 1}-grams:"
            if before < HIGHEST_ORDER
            else f"grams of more than {HIGHEST_ORDER} tokens are not read"
        )
    return before + 1


def _entry(fields: Sequence[str], size: int) -> tuple[Gram, float, float | None]:
    """Return an n-gram, the logarithm of its probability, and its back-off weight, if any."""
    gram, rest = tuple(fields[1 : size + 1]), fields[size + 1 :]
    if len(gram) < size or len(rest) > 1:
        raise ValueError(f"expected a probability, {size} tokens and a weight")
    log_prob = _logarithm(fields[0])
    if log_prob > 0:
        raise ValueError(f"{fields[0]:.20} is not the logarithm of a probability: it is above 0")
    return gram, log_prob, _logarithm(rest[0]) if rest else None


def _logarithm(given: str) -> float:
    value = float(given)
    if not abs(value) <= FARTHEST:
        raise ValueError(f"{given:.20} must be a number from -{FARTHEST:g} to {FARTHEST:g}")
    return value


class _NGramScorer(KeyedScorer):
    """A scorer whose states are the contexts of an n-gram model."""

    def __init__(self, model: NGram, vocabulary: Vocabulary) -> None:
        check_model(model, vocabulary)
        self.model, self.longest = model, model.order - 1
        self.tokens = [tuple(tokens_of(token, model.unit)) for token in vocabulary.tokens]
        super().__init__(len(vocabulary), self._cut((BEGIN,)))

    def after(self, key: Gram, token: int) -> tuple[Gram, float]:
        words = self.tokens[token]  # a token may be several words
        score = sum(
            self.model.log10((*key, *words[:place]), word) for place, word in enumerate(words)
        )
        return self._cut((*key, *words)), score * math.log(10)

    def final(self, key: Gram) -> float:
        return self.model.log10(key, END) * math.log(10)

    def _cut(self, context: Gram) -> Gram:
        return context[max(0, len(context) - self.longest) :]
