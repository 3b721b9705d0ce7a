"""Accuracy, word and character error rates, and how sure they are. Usable alone.

Undefined cases: an empty reference counts every word of its hypothesis as an insertion. With no
reference words at all the rate is 0 without insertions and infinite with them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from itertools import zip_longest
from statistics import NormalDist
from typing import Any

import jiwer
import numpy as np
from numpy.typing import ArrayLike, NDArray

from speech_rnn.errors import ConfigurationError

__all__ = [
    "Accuracy",
    "AlignedPair",
    "ClassFigures",
    "ErrorRate",
    "accuracy",
    "align_words",
    "bootstrap_interval",
    "character_error_rate",
    "confusion_matrix",
    "per_class",
    "wilson_interval",
    "word_error_rate",
]


def wilson_interval(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval of a proportion (Wilson, 1927); (0, 1) without trials.

    Raises
    ------
    ConfigurationError
        unless 0 <= successes <= trials and 0 < confidence < 1.
    """
    if not 0 <= successes <= trials:
        raise ConfigurationError(f"successes={successes} must lie in 0 to trials={trials}")
    if not 0 < confidence < 1:
        raise ConfigurationError(f"confidence={confidence} must lie between 0 and 1")
    if not trials:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = successes / trials
    centre = share + z**2 / (2 * trials)
    spread = z * (share * (1 - share) / trials + z**2 / (4 * trials**2)) ** 0.5
    scale = 1 + z**2 / trials
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


@dataclass(frozen=True)
class Accuracy:
    """How many of how many are right."""

    correct: int
    total: int

    @property
    def value(self) -> float:
        """The share that is right; not a number where there is nothing."""
        return self.correct / self.total if self.total else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % Wilson interval."""
        return wilson_interval(self.correct, self.total)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        value = self.value if self.total else None
        return {"accuracy": value, "interval": list(self.interval), **asdict(self)}


def accuracy(references: Sequence[str], hypotheses: Sequence[str]) -> Accuracy:
    """Count the hypotheses that equal their references.

    Raises
    ------
    ConfigurationError
        if there are not as many of one as of the other.
    """
    _check_lengths(references, hypotheses)
    pairs = zip(references, hypotheses, strict=True)
    return Accuracy(sum(one == other for one, other in pairs), len(references))


@dataclass(frozen=True)
class ErrorRate:
    """Edits that turn references into hypotheses, for each reference word or character."""

    substitutions: int
    deletions: int
    insertions: int
    hits: int

    @property
    def errors(self) -> int:
        """All edits."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def reference_length(self) -> int:
        """Words or characters of the references."""
        return self.hits + self.substitutions + self.deletions

    @property
    def rate(self) -> float:
        """Edits for each reference word or character; it can exceed 1."""
        if not self.reference_length:
            return float("inf") if self.insertions else 0.0
        return self.errors / self.reference_length

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; an infinite rate becomes None."""
        rate = self.rate if np.isfinite(self.rate) else None
        return {"rate": rate, "reference_length": self.reference_length, **asdict(self)}


def word_error_rate(references: Sequence[str], hypotheses: Sequence[str]) -> ErrorRate:
    """Count word edits over pairs of texts, by their least alignment (Levenshtein).

    Raises
    ------
    ConfigurationError
        if there are not as many of one as of the other.
    """
    return _error_rate(jiwer.process_words, str.split, references, hypotheses)


def character_error_rate(references: Sequence[str], hypotheses: Sequence[str]) -> ErrorRate:
    """Count character edits over pairs of texts; runs of white space count as one space.

    Raises
    ------
    ConfigurationError
        if there are not as many of one as of the other.
    """
    return _error_rate(jiwer.process_characters, list, references, hypotheses)


def _error_rate(
    process: Callable[..., Any],
    split: Callable[[str], list[str]],
    references: Sequence[str],
    hypotheses: Sequence[str],
) -> ErrorRate:
    _check_lengths(references, hypotheses)
    tidy = [
        (" ".join(reference.split()), " ".join(hypothesis.split()))
        for reference, hypothesis in zip(references, hypotheses, strict=True)
    ]
    insertions = sum(len(split(hypothesis)) for reference, hypothesis in tidy if not reference)
    spoken = [pair for pair in tidy if pair[0]]  # jiwer refuses empty references
    if not spoken:
        return ErrorRate(0, 0, insertions, 0)
    output = process([pair[0] for pair in spoken], [pair[1] for pair in spoken])
    return ErrorRate(
        output.substitutions, output.deletions, output.insertions + insertions, output.hits
    )


@dataclass(frozen=True)
class AlignedPair:
    """A word of the reference beside the one of the hypothesis; None where there is none."""

    reference: str | None
    hypothesis: str | None

    @property
    def kind(self) -> str:
        """``hit``, ``substitution``, ``deletion`` or ``insertion``."""
        if self.reference is None:
            return "insertion"
        if self.hypothesis is None:
            return "deletion"
        return "hit" if self.reference == self.hypothesis else "substitution"


def align_words(reference: str, hypothesis: str) -> tuple[AlignedPair, ...]:
    """Put the words of two texts side by side with as few edits as possible."""
    left, right = reference.split(), hypothesis.split()
    if not left:  # jiwer refuses an empty reference
        return tuple(AlignedPair(None, word) for word in right)
    pairs: list[AlignedPair] = []
    for chunk in jiwer.process_words(reference, hypothesis).alignments[0]:
        said: list[str | None] = [*left[chunk.ref_start_idx : chunk.ref_end_idx]]
        heard: list[str | None] = [*right[chunk.hyp_start_idx : chunk.hyp_end_idx]]
        pairs += [AlignedPair(*pair) for pair in zip_longest(said, heard)]
    return tuple(pairs)


@dataclass(frozen=True)
class ClassFigures:
    """How one class does; a figure without anything to count is 0."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def confusion_matrix(
    references: Sequence[str], hypotheses: Sequence[str], labels: Sequence[str]
) -> NDArray[np.int64]:
    """Count (reference, hypothesis) pairs: (n_labels, n_labels).

    Raises
    ------
    ConfigurationError
        for texts that are not among the labels; the nearest is named.
    """
    _check_lengths(references, hypotheses)
    places = {label: place for place, label in enumerate(labels)}
    if unknown := sorted({*references, *hypotheses} - places.keys()):
        near = get_close_matches(unknown[0], labels, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigurationError(f"texts {unknown} are not among the labels{hint}")
    counts = np.zeros((len(labels), len(labels)), dtype=np.int64)
    for reference, hypothesis in zip(references, hypotheses, strict=True):
        counts[places[reference], places[hypothesis]] += 1
    return counts


def per_class(
    references: Sequence[str], hypotheses: Sequence[str], labels: Sequence[str]
) -> tuple[ClassFigures, ...]:
    """Return precision, recall and F1 of each label.

    Raises
    ------
    ConfigurationError
        as `confusion_matrix`.
    """
    counts = confusion_matrix(references, hypotheses, labels)
    figures = []
    for place, label in enumerate(labels):
        hits = int(counts[place, place])
        support, answered = int(counts[place].sum()), int(counts[:, place].sum())
        figures.append(
            ClassFigures(
                label,
                precision=hits / answered if answered else 0.0,
                recall=hits / support if support else 0.0,
                f1=2 * hits / (support + answered) if support + answered else 0.0,
                support=support,
            )
        )
    return tuple(figures)


def bootstrap_interval(
    errors: ArrayLike,
    lengths: ArrayLike,
    *,
    confidence: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the interval of an error rate, sum of errors / sum of lengths, over utterances.

    Percentiles over resampled utterances (Bisani & Ney, 2004); (0, 0) without reference words.

    Parameters
    ----------
    errors, lengths : (n_utterances,) edits and reference words of each.
    """
    edits, words = np.asarray(errors), np.asarray(lengths)
    if not words.sum():
        return 0.0, 0.0
    random = np.random.default_rng(seed)
    rates = np.empty(n_resamples)
    for place in range(n_resamples):
        chosen = random.integers(0, len(words), len(words))
        rates[place] = edits[chosen].sum() / max(1, words[chosen].sum())
    low, high = np.quantile(rates, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _check_lengths(references: Sequence[str], hypotheses: Sequence[str]) -> None:
    if len(references) != len(hypotheses):
        raise ConfigurationError(
            f"{len(references)} references and {len(hypotheses)} hypotheses; give one for each"
        )
