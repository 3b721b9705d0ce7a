"""Calibration of confidences: reliability, and risk over coverage."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from speech_rnn.errors import ConfigurationError


@dataclass(frozen=True)
class Reliability:
    """How well confidences agree with accuracies.

    Parameters
    ----------
    counts : number of answers in each of equally wide bins of confidence.
    confidences : mean confidence of the answers in each bin; None for an empty bin.
    accuracies : share of right answers in each bin; None for an empty bin.
    """

    counts: tuple[int, ...]
    confidences: tuple[float | None, ...]
    accuracies: tuple[float | None, ...]

    @property
    def expected_calibration_error(self) -> float:
        """Mean difference of accuracy and confidence over all answers (Guo et al., 2017)."""
        rows = zip(self.counts, self.confidences, self.accuracies, strict=True)
        gaps = [n * abs((found or 0.0) - (confidence or 0.0)) for n, confidence, found in rows]
        return sum(gaps) / max(1, sum(self.counts))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self) | {"expected_calibration_error": self.expected_calibration_error}


def reliability(confidences: ArrayLike, right: ArrayLike, n_bins: int = 15) -> Reliability:
    """Sort answers into bins by confidence (N,) in [0, 1]; `right` (N,) marks correct answers.

    The upper end of a bin belongs to it, the lower end does not.

    Raises
    ------
    ConfigurationError
        if there are no bins.
    """
    if n_bins < 1:
        raise ConfigurationError(f"n_bins={n_bins} must be 1 or more")
    confidence = np.asarray(confidences, dtype=np.float64)
    hits = np.asarray(right, dtype=np.float64)
    places = np.digitize(confidence, np.arange(1, n_bins) / n_bins, right=True)  # (N,)
    counts = np.bincount(places, minlength=n_bins)
    means = [
        np.bincount(places, values, n_bins) / np.maximum(counts, 1) for values in (confidence, hits)
    ]
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
    """The share of wrong answers if only the most confident ones are given.

    Parameters
    ----------
    coverage : share of all clips that are answered: first only the most confident answer counts,
        then the next ones, and at the end all.
    risk : share of wrong answers among those that count, for each coverage.
    """

    coverage: tuple[float, ...]
    risk: tuple[float, ...]

    @property
    def area(self) -> float:
        """Mean risk over all coverages (Geifman & El-Yaniv, 2017); 0 is best."""
        return sum(self.risk) / max(1, len(self.risk))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self) | {"area": self.area}


def risk_coverage(confidences: ArrayLike, right: ArrayLike) -> RiskCoverage:
    """Sort answers by confidence (N,), the highest first; `right` (N,) marks correct answers."""
    confidence = np.asarray(confidences, dtype=np.float64)
    wrong = 1 - np.asarray(right, dtype=np.float64)[np.argsort(-confidence, kind="stable")]
    answered = np.arange(1, len(confidence) + 1)
    coverage, risk = answered / max(1, len(confidence)), np.cumsum(wrong) / answered
    return RiskCoverage(tuple(coverage.tolist()), tuple(risk.tolist()))
