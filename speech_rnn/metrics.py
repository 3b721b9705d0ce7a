"""Accuracy, word and character error rates, and how sure they are. Usable alone.

Undefined cases: an empty reference counts every word of its hypothesis as an insertion. With no
reference words at all the rate is 0 without insertions and infinite with them. White space counts
only as what parts words: runs of it are one space, at the ends it is nothing. A single text may
stand for a sequence of one.
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
from scipy.special import gammaincinv

from speech_rnn.errors import ConfigurationError

__all__ = [
    "Accuracy",
    "AlignedPair",
    "ClassFigures",
    "ErrorRate",
    "Reliability",
    "RiskCoverage",
    "accuracy",
    "align_words",
    "area_under_roc",
    "bootstrap_interval",
    "character_error_rate",
    "confusion_matrix",
    "paired_difference",
    "per_class",
    "poisson_interval",
    "poisson_limit",
    "quantile_interval",
    "reliability",
    "risk_coverage",
    "sentence_error_rate",
    "wilson_interval",
    "word_error_rate",
]


Texts = str | Sequence[str]


def wilson_interval(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval of a proportion (Wilson, 1927); (0, 1) without trials.

    Raises
    ------
    ConfigurationError
        unless 0 <= successes <= trials and 0 < confidence < 1.
    """
    if not 0 <= successes <= trials:
        raise ConfigurationError(f"successes={successes} must lie in 0 to trials={trials}")
    _check_confidence(confidence)
    if not trials:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = successes / trials
    centre = share + z**2 / (2 * trials)
    spread = z * (share * (1 - share) / trials + z**2 / (4 * trials**2)) ** 0.5
    scale = 1 + z**2 / trials
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def poisson_interval(count: int, exposure: float, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a rate: `count` events in so much time (Garwood, 1936).

    Its ends are quantiles of chi-square, which are those of gamma. With no event the lower end is
    0 for certain, and the upper one is one-sided: 3 / `exposure` at 95 % (the rule of three).
    (0, infinity) without exposure.

    Raises
    ------
    ConfigurationError
        unless count and exposure are 0 or above and 0 < confidence < 1.
    """
    _check_confidence(confidence)
    if not count or not exposure:
        return 0.0, poisson_limit(count, exposure, confidence)
    low = float(gammaincinv(count, (1 - confidence) / 2)) / exposure
    return low, poisson_limit(count, exposure, (1 + confidence) / 2)


def poisson_limit(count: int, exposure: float, confidence: float = 0.95) -> float:
    """Return the one-sided upper limit of a rate; 3 / `exposure` at 95 % without any event.

    Raises
    ------
    ConfigurationError
        as `poisson_interval`.
    """
    if not (count >= 0 and 0 <= exposure < np.inf):
        raise ConfigurationError(f"count={count} and exposure={exposure} must be 0 or above")
    _check_confidence(confidence)
    return float(gammaincinv(count + 1, confidence)) / exposure if exposure else float("inf")


def quantile_interval(
    values: ArrayLike,
    share: float,
    *,
    confidence: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the interval of a quantile of values (N,): percentiles over resampled values.

    `share` is 0.5 for the median. An interval of few values is too narrow: nothing beyond the
    largest is ever drawn.

    Raises
    ------
    ConfigurationError
        for no values, a share outside [0, 1], and unless 0 < confidence < 1.
    """
    _check_confidence(confidence)
    given = np.asarray(values, dtype=np.float64)
    if given.ndim != 1 or not len(given) or not 0 <= share <= 1:
        raise ConfigurationError(
            f"values of shape={given.shape} must be (N,), at least one, and share={share} in [0, 1]"
        )
    random = np.random.default_rng(seed)
    found = [
        np.quantile(given[random.integers(len(given), size=len(given))], share)
        for _ in range(n_resamples)
    ]
    low, high = np.quantile(found, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


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


def word_error_rate(references: Texts, hypotheses: Texts) -> ErrorRate:
    """Count word edits over pairs of texts, by their least alignment (Levenshtein).

    Raises
    ------
    ConfigurationError
        if there are not as many of one as of the other.
    """
    return _error_rate(jiwer.process_words, references, hypotheses)


def character_error_rate(references: Texts, hypotheses: Texts) -> ErrorRate:
    """Count character edits over pairs of texts, the spaces between words included.

    Raises
    ------
    ConfigurationError
        if there are not as many of one as of the other.
    """
    return _error_rate(jiwer.process_characters, references, hypotheses)


def sentence_error_rate(references: Texts, hypotheses: Texts) -> float:
    """Return the share of texts with any word error; not a number where there are no texts.

    It is 1 - `accuracy`, but for white space.

    Raises
    ------
    ConfigurationError
        if there are not as many of one as of the other.
    """
    return 1 - accuracy(*_tidy(references, hypotheses)).value


def _error_rate(process: Callable[..., Any], references: Texts, hypotheses: Texts) -> ErrorRate:
    output = process(*_tidy(references, hypotheses))
    return ErrorRate(output.substitutions, output.deletions, output.insertions, output.hits)


def _tidy(references: Texts, hypotheses: Texts) -> tuple[list[str], list[str]]:
    """Check that there are pairs; leave only single spaces: jiwer parts words there alone."""
    pair = [[texts] if isinstance(texts, str) else texts for texts in (references, hypotheses)]
    _check_lengths(*pair)
    said, heard = ([" ".join(text.split()) for text in texts] for texts in pair)
    return said, heard


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
    (said,), (heard,) = _tidy(reference, hypothesis)
    left, right = said.split(), heard.split()
    pairs: list[AlignedPair] = []
    for chunk in jiwer.process_words(said, heard).alignments[0]:
        before: list[str | None] = [*left[chunk.ref_start_idx : chunk.ref_end_idx]]
        after: list[str | None] = [*right[chunk.hyp_start_idx : chunk.hyp_end_idx]]
        pairs += [AlignedPair(*pair) for pair in zip_longest(before, after)]
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
        for texts that are not among the labels, whose nearest are named, and if there are not as
        many of one as of the other.
    """
    _check_lengths(references, hypotheses)
    places = {label: place for place, label in enumerate(labels)}
    if unknown := sorted({*references, *hypotheses} - places.keys()):
        near = [repr(label) for text in unknown for label in get_close_matches(text, labels, n=1)]
        hint = f"; did you mean {', '.join(dict.fromkeys(near))}?" if near else ""
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

    Percentiles over resampled utterances (Bisani & Ney, 2004). Resamples without a reference word
    have no rate and are left out; (0, 0) if that leaves none.

    Parameters
    ----------
    errors, lengths : (n_utterances,) edits and reference words of each.

    Raises
    ------
    ConfigurationError
        unless there are as many errors as lengths, none negative, n_resamples > 0 and
        0 < confidence < 1.
    """
    _check_confidence(confidence)
    edits, words = np.asarray(errors), np.asarray(lengths)
    if edits.shape != words.shape or edits.ndim != 1 or (edits < 0).any() or (words < 0).any():
        raise ConfigurationError(
            f"errors of shape={edits.shape} and lengths of shape={words.shape} must be counts, one "
            "of each for each utterance"
        )
    if n_resamples <= 0:
        raise ConfigurationError(f"n_resamples={n_resamples} must be above 0")
    if not words.sum():
        return 0.0, 0.0
    # Utterances with the same counts are the same to the sums: drawing how many of each kind there
    # are is the same bootstrap, with a matrix as small as there are kinds.
    kinds, counts = np.unique(np.stack([edits, words]), axis=1, return_counts=True)
    random = np.random.default_rng(seed)
    drawn = random.multinomial(len(edits), counts / len(edits), size=n_resamples)
    edit_sums, word_sums = (drawn @ kinds.T).T  # (n_resamples,) each
    rates = edit_sums[word_sums > 0] / word_sums[word_sums > 0]
    if not len(rates):
        return 0.0, 0.0
    low, high = np.quantile(rates, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def paired_difference(
    first: ArrayLike,
    second: ArrayLike,
    lengths: ArrayLike,
    *,
    confidence: float = 0.95,
    n_resamples: int = 10_000,
    seed: int = 0,
) -> tuple[tuple[float, float], float]:
    """Compare the errors of two systems on the same utterances.

    Parameters
    ----------
    first, second, lengths : (n_utterances,) edits of each system, and reference words.

    Returns
    -------
    interval : of the difference of their error rates, first less second: percentiles over
        resampled utterances (Bisani & Ney, 2004).
    p_value : two-sided, of a permutation test that swaps the systems at random in each utterance
        (Good, 2005): the share of swaps with a difference as large, the given one included.

    Raises
    ------
    ConfigurationError
        unless there are as many of each, and 0 < confidence < 1.
    """
    _check_confidence(confidence)
    one, other, words = (np.asarray(values, dtype=np.int64) for values in (first, second, lengths))
    if not one.shape == other.shape == words.shape or one.ndim != 1:
        raise ConfigurationError(
            f"errors of shape={one.shape} and shape={other.shape}, lengths of shape={words.shape}: "
            "give one of each for each utterance"
        )
    if not words.sum():
        return (0.0, 0.0), 1.0
    random = np.random.default_rng(seed)
    difference = one - other
    kinds, counts = np.unique(np.stack([difference, words]), axis=1, return_counts=True)
    drawn = random.multinomial(len(one), counts / len(one), size=n_resamples)
    sums, totals = (drawn @ kinds.T).T  # (n_resamples,) each
    rates = sums[totals > 0] / totals[totals > 0]
    low, high = np.quantile(rates, [(1 - confidence) / 2, (1 + confidence) / 2])
    # Swapping the two changes the sign of an utterance's difference.
    sizes, how_many = np.unique(np.abs(difference), return_counts=True)
    kept = random.binomial(how_many, 0.5, size=(n_resamples, len(sizes)))
    swapped = np.abs((2 * kept - how_many) @ sizes)
    as_large = np.count_nonzero(swapped >= abs(difference.sum()))
    return (float(low), float(high)), (as_large + 1) / (n_resamples + 1)


def area_under_roc(higher: ArrayLike, lower: ArrayLike) -> float | None:
    """Return how often a score of `higher` is above one of `lower`, over all pairs.

    Equal scores count half (Hanley & McNeil, 1982). None where one of the two has no scores, and
    where all scores are the same.
    """
    one, other = np.asarray(higher, dtype=np.float64), np.asarray(lower, dtype=np.float64)
    if not len(one) or not len(other) or len(np.unique([*one, *other])) == 1:
        return None
    return float((np.sign(one[:, None] - other[None, :]).mean() + 1) / 2)


@dataclass(frozen=True)
class Reliability:
    """How far confidences are what they say.

    Parameters
    ----------
    counts : answers whose confidence lies in each of equally wide bins.
    confidences, accuracies : their means in each bin; None in an empty one.
    """

    counts: tuple[int, ...]
    confidences: tuple[float | None, ...]
    accuracies: tuple[float | None, ...]

    @property
    def expected_calibration_error(self) -> float:
        """The mean distance of accuracy from confidence over all answers (Guo et al., 2017)."""
        rows = zip(self.counts, self.confidences, self.accuracies, strict=True)
        gaps = [n * abs((found or 0.0) - (said or 0.0)) for n, said, found in rows]
        return sum(gaps) / max(1, sum(self.counts))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self) | {"expected_calibration_error": self.expected_calibration_error}


def reliability(confidences: ArrayLike, right: ArrayLike, n_bins: int = 15) -> Reliability:
    """Sort answers into bins by their confidences (N,) in [0, 1]; `right` (N,) says which hold.

    A bin holds what is above its lower end and not above its upper one.

    Raises
    ------
    ConfigurationError
        for no bins.
    """
    if n_bins < 1:
        raise ConfigurationError(f"n_bins={n_bins} must be 1 or more")
    said = np.asarray(confidences, dtype=np.float64)
    hits = np.asarray(right, dtype=np.float64)
    places = np.digitize(said, np.arange(1, n_bins) / n_bins, right=True)  # (N,)
    counts = np.bincount(places, minlength=n_bins)
    means = [np.bincount(places, values, n_bins) / np.maximum(counts, 1) for values in (said, hits)]
    stated, found = (
        tuple(
            float(mean) if count else None
            for mean, count in zip(values, counts.tolist(), strict=True)
        )
        for values in means
    )
    return Reliability(tuple(counts.tolist()), stated, found)


@dataclass(frozen=True)
class RiskCoverage:
    """What share of answers is wrong, if only the surest are given.

    Parameters
    ----------
    coverage, risk : share of all that is answered, and of those the share that is wrong; from the
        surest answer alone to all of them.
    """

    coverage: tuple[float, ...]
    risk: tuple[float, ...]

    @property
    def area(self) -> float:
        """The mean risk over all coverages (Geifman & El-Yaniv, 2017): 0 at best."""
        return sum(self.risk) / max(1, len(self.risk))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self) | {"area": self.area}


def risk_coverage(confidences: ArrayLike, right: ArrayLike) -> RiskCoverage:
    """Answer the surest first: confidences (N,), and `right` (N,) says which answers hold."""
    said = np.asarray(confidences, dtype=np.float64)
    wrong = 1 - np.asarray(right, dtype=np.float64)[np.argsort(-said, kind="stable")]
    answered = np.arange(1, len(said) + 1)
    coverage, risk = answered / max(1, len(said)), np.cumsum(wrong) / answered
    return RiskCoverage(tuple(coverage.tolist()), tuple(risk.tolist()))


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ConfigurationError(f"confidence={confidence} must lie between 0 and 1")


def _check_lengths(references: Sequence[str], hypotheses: Sequence[str]) -> None:
    if len(references) != len(hypotheses):
        raise ConfigurationError(
            f"{len(references)} references and {len(hypotheses)} hypotheses; give one for each"
        )
