"""Choose thresholds that keep a promise on some audio, and verify them on other audio.

Each word gets its own threshold from those of a DET curve. The curve's counts of a word are exact
if the other words have the same threshold. Otherwise one of their detections may occasionally
suppress it, or no longer do so; therefore all thresholds are verified together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import Enum
from typing import Any

import numpy as np

from speech_rnn.detection.det_curve import (
    THRESHOLDS,
    Scene,
    SceneDetections,
    Watch,
    detect_in,
)
from speech_rnn.detection.matching import (
    TOLERANCE_SECONDS,
    Detections,
    DetPoint,
    lags_of,
    too_short,
)
from speech_rnn.errors import ConfigurationError, DataError
from speech_rnn.metrics import poisson_limit
from speech_rnn.recognizer import Recognizer
from speech_rnn.streaming.spotter import Spotting

SLACK = 1e-9
"""Tolerance for products of rates and hours that should be whole numbers."""


class Verdict(Enum):
    """Whether a promise was kept on other audio, the best first; the values are those in JSON."""

    KEPT = True
    UNSURE = None
    """Not kept, but within chance: the 95 % interval includes the promise."""
    BROKEN = False


@dataclass(frozen=True)
class Promise:
    """The error rate that a recogniser must not exceed: one of two.

    Parameters
    ----------
    false_accepts_per_hour : upper limit for all words together, with as few misses as possible.
    miss_rate : upper limit for each word, with as few false accepts as possible.
    confidence : confidence that other audio does not have more false accepts either. The tuning
        audio then has so few of them that the one-sided upper limit of their rate keeps the
        promise. None requires the promise on the tuning audio only, and other audio is as likely
        to break as to keep it.

    Raises
    ------
    ConfigurationError
        if none or both are given, or one is out of range.
    """

    false_accepts_per_hour: float | None = None
    miss_rate: float | None = None
    confidence: float | None = None

    def __post_init__(self) -> None:
        if (self.false_accepts_per_hour is None) == (self.miss_rate is None):
            raise ConfigurationError(
                f"false_accepts_per_hour={self.false_accepts_per_hour} and miss_rate="
                f"{self.miss_rate}: give one of them, such as false_accepts_per_hour=0.5"
            )
        if self.false_accepts_per_hour is not None and not self.false_accepts_per_hour >= 0:
            raise ConfigurationError(
                f"false_accepts_per_hour={self.false_accepts_per_hour!r} must be 0 or above"
            )
        if self.miss_rate is not None and not 0 <= self.miss_rate <= 1:
            raise ConfigurationError(f"miss_rate={self.miss_rate!r} must lie in [0, 1]")
        if self.confidence is not None and not 0 < self.confidence < 1:
            raise ConfigurationError(f"confidence={self.confidence!r} must lie between 0 and 1")

    def false_accepts(self, hours: float) -> int:
        """Return the allowed number in so many hours; 0 if they are too few to be sure."""
        promised = self.false_accepts_per_hour or 0.0
        count = int(promised * hours + SLACK)
        while self.confidence and count and poisson_limit(count, hours, self.confidence) > promised:
            count -= 1
        return count

    def __str__(self) -> str:
        if self.miss_rate is not None:
            return f"at most {100 * self.miss_rate:g} % missed"
        return f"at most {self.false_accepts_per_hour:g} false accepts an hour"

    def verdict(self, found: Detections) -> Verdict:
        """Return whether counts keep the promise."""
        if self.miss_rate is not None:
            rate, (low, _), most = found.miss_rate or 0.0, found.miss_interval, self.miss_rate
        else:
            rate, (low, _) = found.false_per_hour, found.false_interval
            most = self.false_accepts_per_hour or 0.0
        if rate <= most:
            return Verdict.KEPT
        return Verdict.UNSURE if low <= most else Verdict.BROKEN


def choose(curve: Sequence[DetPoint], promise: Promise) -> dict[str, DetPoint]:
    """Return the point of the curve that is chosen for each word.

    For a limit on false accepts, the choice has the fewest misses of all words together; ties are
    broken by fewer false accepts, then by higher thresholds. For a limit on the miss rate, each
    word gets the highest threshold that keeps it.

    Raises
    ------
    DataError
        if no choice keeps the promise.
    """
    if promise.miss_rate is not None:
        return _by_misses(curve, promise.miss_rate)
    return _by_false_accepts(curve, promise)


def _by_misses(curve: Sequence[DetPoint], miss_rate: float) -> dict[str, DetPoint]:
    chosen, lacking = {}, []
    for word in curve[0].per_word:
        counts = [point.per_word[word] for point in curve]
        n_allowed = miss_rate * counts[0].n_labels + SLACK
        good = [point for point in curve if point.per_word[word].n_missed <= n_allowed]
        if good:
            chosen[word] = max(good, key=lambda point: point.threshold)
        else:
            fewest = min(found.n_missed for found in counts)
            lacking.append(f"{word} (at least {fewest} of {counts[0].n_labels})")
    if lacking:
        raise DataError(
            f"miss_rate={miss_rate:g} cannot be kept, because every threshold misses more: "
            f"{', '.join(lacking)}; allow more, or train a better recogniser"
        )
    return chosen


Cost = tuple[int, int, float]
"""Misses, false accepts, and the negative sum of the thresholds."""


def _by_false_accepts(curve: Sequence[DetPoint], promise: Promise) -> dict[str, DetPoint]:
    """Spend the allowed false accepts where they save the most misses (an exact knapsack)."""
    hours = curve[0].total.hours
    budget = promise.false_accepts(hours)
    best: dict[int, tuple[Cost, dict[str, DetPoint]]] = {0: ((0, 0, 0.0), {})}
    for word in curve[0].per_word:
        longer: dict[int, tuple[Cost, dict[str, DetPoint]]] = {}
        for spent, (cost, chosen) in best.items():
            for point in curve:
                found = point.per_word[word]
                total = spent + found.n_false
                more = (
                    cost[0] + found.n_missed,
                    cost[1] + found.n_false,
                    cost[2] - point.threshold,
                )
                if total <= budget and (total not in longer or more < longer[total][0]):
                    longer[total] = more, {**chosen, word: point}
        best = longer
    if not best:
        fewest = sum(
            min(point.per_word[word].n_false for point in curve) for word in curve[0].per_word
        )
        raise DataError(
            f"{promise} cannot be kept: even the highest threshold has {fewest} in "
            f"{hours:.2f} hours, above {budget}; allow more, or train a better recogniser"
        )
    return min(best.values(), key=lambda found: found[0])[1]


@dataclass(frozen=True)
class Tuning:
    """Thresholds, and how well they keep a promise.

    Parameters
    ----------
    promise : the promise.
    spotting : detection settings with the thresholds.
    expected : counts of each word on the audio on which they were chosen.
    measured : counts of each word on other audio.
    notes : warnings about both; see `SceneDetections`.
    """

    promise: Promise
    spotting: Spotting
    expected: Mapping[str, Detections]
    measured: Mapping[str, Detections]
    notes: tuple[str, ...] = ()

    @property
    def total_expected(self) -> Detections:
        """Counts of all words together, on the audio on which the thresholds were chosen."""
        return Detections.of_words(self.expected)

    @property
    def total(self) -> Detections:
        """Counts of all words together, on other audio."""
        return Detections.of_words(self.measured)

    @property
    def verdict(self) -> Verdict:
        """Whether other audio keeps the promise; for a miss rate, the verdict of the worst word."""
        if self.promise.false_accepts_per_hour is not None:
            return self.promise.verdict(self.total)
        found = {self.promise.verdict(counts) for counts in self.measured.values()}
        return next(verdict for verdict in reversed(Verdict) if verdict in found)

    @property
    def doubts(self) -> tuple[str, ...]:
        """Promises for which the audio is too short."""
        if self.promise.false_accepts_per_hour is not None:
            doubt = too_short(self.total_expected.hours, self.promise.false_accepts_per_hour)
            return (doubt,) if doubt else ()
        few = [
            f"{word} ({found.n_labels})"
            for word, found in self.expected.items()
            if (self.promise.miss_rate or 0.0) * found.n_labels < 3
        ]
        if not few:
            return ()
        return (
            f"too few utterances to promise {self.promise}: {', '.join(few)}; with none missed in "
            "n the upper 95 % limit is 3/n",
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "promise": asdict(self.promise),
            "is_kept": self.verdict.value,
            "doubts": list(self.doubts),
            "notes": list(self.notes),
            "spotting": self.spotting.to_dict(),
            "expected": self.total_expected.to_dict(),
            "measured": self.total.to_dict(),
            "per_word": {
                word: {
                    "threshold": self.spotting.thresholds[word],
                    "expected": self.expected[word].to_dict(),
                    "measured": self.measured[word].to_dict(),
                }
                for word in self.spotting.thresholds
            },
        }


def tune(
    recognizer: Recognizer,
    tuning: Scene,
    test: Scene,
    promise: Promise,
    *,
    tolerance_seconds: float = TOLERANCE_SECONDS,
    block_seconds: float = 1.0,
    watch: Watch = lambda blocks, _: blocks,
) -> Tuning:
    """Choose a threshold for each word on one scene, and verify the thresholds on another.

    The first scene also calibrates the times of detections: each word's median lag is subtracted.

    The recogniser is not modified: set its `spotting` to that of the result.

    Parameters
    ----------
    tolerance_seconds : tolerance of a hit, see `match`.
    block_seconds, watch : as in `detect_in`.

    Raises
    ------
    DataError
        if a word is not spoken in the tuning scene, or no thresholds keep the promise.
    """
    spotting = recognizer.own_spotting
    words = recognizer.vocabulary.words
    spoken = {label.word for label in tuning.labels}
    if missing := [word for word in words if word not in spoken]:
        raise DataError(
            f"the tuning audio does not contain {', '.join(missing)}: every word must occur; give "
            "more hours, or recordings of it"
        )
    found_in_tuning = detect_in(
        recognizer, tuning, spotting, THRESHOLDS, block_seconds=block_seconds, watch=watch
    )
    chosen = choose(found_in_tuning.points(tolerance_seconds), promise)
    thresholds = {word: chosen[word].threshold for word in words}
    tuned = replace(
        spotting,
        thresholds=thresholds,
        lags=_lags(found_in_tuning, spotting, thresholds, tolerance_seconds),
    )
    verified = detect_in(recognizer, test, tuned, block_seconds=block_seconds, watch=watch)
    return Tuning(
        promise,
        tuned,
        {word: chosen[word].per_word[word] for word in words},
        verified.count(tolerance_seconds),
        (*found_in_tuning.notes, *verified.notes),
    )


def _lags(
    found_in_tuning: SceneDetections,
    spotting: Spotting,
    thresholds: Mapping[str, float],
    tolerance_seconds: float,
) -> dict[str, tuple[float, float]]:
    """Return the median lags of each word at its threshold, including those of `spotting`."""
    lags = {word: (lag[0], lag[1]) for word, lag in spotting.lags.items()}
    for word, threshold in thresholds.items():
        labels = [label for label in found_in_tuning.labels if label.word == word]
        events = [event for event in found_in_tuning.curve[threshold] if event.word == word]
        if found := lags_of(labels, events, tolerance_seconds):
            before = lags.get(word, (0.0, 0.0))
            start, end = np.median(found, axis=0).tolist()
            lags[word] = (round(before[0] + start, 4), round(before[1] + end, 4))
    return lags
