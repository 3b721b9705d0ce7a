"""Accuracy, the confusion matrix, precision and recall, the area under the ROC curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speech_rnn.errors import ConfigurationError, did_you_mean
from speech_rnn.metrics.intervals import wilson_interval


@dataclass(frozen=True)
class Accuracy:
    """A number of correct answers out of a total."""

    correct: int
    total: int

    @property
    def value(self) -> float:
        """Share of correct answers; NaN if there are none at all."""
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
        if their numbers differ.
    """
    check_lengths(references, hypotheses)
    pairs = zip(references, hypotheses, strict=True)
    return Accuracy(sum(one == other for one, other in pairs), len(references))


@dataclass(frozen=True)
class ClassFigures:
    """Precision, recall and F1 of one class; a figure with nothing to count is 0."""

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
        if texts are not among the labels (the error names the nearest ones), or the numbers of
        references and hypotheses differ.
    """
    check_lengths(references, hypotheses)
    places = {label: place for place, label in enumerate(labels)}
    if unknown := sorted({*references, *hypotheses} - places.keys()):
        hint = did_you_mean(unknown, labels)
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
        in the cases of `confusion_matrix`.
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


def area_under_roc(higher: ArrayLike, lower: ArrayLike) -> float | None:
    """Return the probability that a score of `higher` exceeds one of `lower`, over all pairs.

    Equal scores count half (Hanley & McNeil, 1982). None if either has no scores, or all scores are
    equal.
    """
    one, other = np.asarray(higher, dtype=np.float64), np.asarray(lower, dtype=np.float64)
    if not len(one) or not len(other) or len(np.unique(np.concatenate([one, other]))) == 1:
        return None
    from scipy.stats import mannwhitneyu  # imported here because it takes a second

    return float(mannwhitneyu(one, other, method="asymptotic").statistic) / (len(one) * len(other))


def check_lengths(references: Sequence[str], hypotheses: Sequence[str]) -> None:
    """Raise a ConfigurationError unless there is a hypothesis for each reference."""
    if len(references) != len(hypotheses):
        raise ConfigurationError(
            f"{len(references)} references and {len(hypotheses)} hypotheses; give one for each"
        )
