"""Match detected words in long audio with the spoken ones. Needs no torch.

A detection is a hit of a label of the same word if it overlaps the label, widened by a tolerance at
both ends. Each detection hits at most one label, and each label is hit at most once. Among all such
pairings, one with the most hits is chosen, and among those the one with the smallest sum of
distances between the middles. Labels without a hit are missed. Detections without a hit are false
accepts: another word, no word, or a second detection of the same utterance.

False accepts are counted per hour of all sound, including the words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from speech_rnn.decoding.hypothesis import Word
from speech_rnn.detection.labels import Label
from speech_rnn.errors import ConfigurationError
from speech_rnn.metrics import poisson_interval, poisson_limit, quantile_interval, wilson_interval

TOLERANCE_SECONDS = 0.5
"""Largest distance of a detection from its word; a classifier detects a word at its end."""


def match(
    labels: Sequence[Label],
    words: Sequence[Word],
    tolerance_seconds: float = TOLERANCE_SECONDS,
) -> list[tuple[int, int]]:
    """Return the hits as (index of the label, index of the event), in the order of the labels.

    Raises
    ------
    ConfigurationError
        if the tolerance is below 0.
    """
    if not 0 <= tolerance_seconds < np.inf:
        raise ConfigurationError(f"tolerance_seconds={tolerance_seconds!r} must be 0 s or above")
    hits: list[tuple[int, int]] = []
    for rows, columns in _clusters(labels, words, tolerance_seconds):
        spoken = np.array([(labels[row].start, labels[row].end) for row in rows])
        events = np.array([(words[column].start, words[column].end) for column in columns])
        near = (events[:, 0] < spoken[:, 1:] + tolerance_seconds) & (
            events[:, 1] > spoken[:, :1] - tolerance_seconds
        )  # (L, E)
        apart = np.abs(spoken.mean(axis=1)[:, None] - events.mean(axis=1))
        # One more hit is worth more than any distance.
        worth = np.where(near, (1 + len(rows)) * (1 + apart.max()) - apart, 0.0)
        hits += [
            (rows[row], columns[column])
            for row, column in zip(*linear_sum_assignment(worth, maximize=True), strict=True)
            if near[row, column]
        ]
    return sorted(hits)


def _clusters(
    labels: Sequence[Label], words: Sequence[Word], tolerance: float
) -> Iterator[tuple[list[int], list[int]]]:
    """Yield groups of overlapping labels and detections as indices; both are never empty."""
    spans = [
        (label.word, label.start - tolerance, label.end + tolerance, 0, index)
        for index, label in enumerate(labels)
    ]
    spans += [(word.word, word.start, word.end, 1, index) for index, word in enumerate(words)]
    name, until = "", -np.inf
    cluster: tuple[list[int], list[int]] = ([], [])
    for word, start, end, kind, index in sorted(spans):
        if word != name or start >= until:
            if all(cluster):
                yield cluster
            name, until, cluster = word, -np.inf, ([], [])
        until = max(until, end)
        cluster[kind].append(index)
    if all(cluster):
        yield cluster


@dataclass(frozen=True)
class Detections:
    """Counts of hits and false accepts in a number of hours."""

    n_labels: int
    n_hits: int
    n_false: int
    hours: float

    @property
    def n_missed(self) -> int:
        """Number of words without a detection."""
        return self.n_labels - self.n_hits

    @property
    def miss_rate(self) -> float | None:
        """Share of words without a detection; None if no word is spoken."""
        return self.n_missed / self.n_labels if self.n_labels else None

    @property
    def miss_interval(self) -> tuple[float, float]:
        """The 95 % interval of the miss rate (Wilson)."""
        return wilson_interval(self.n_missed, self.n_labels)

    @property
    def false_per_hour(self) -> float:
        """False accepts per hour."""
        return self.n_false / self.hours

    @property
    def false_interval(self) -> tuple[float, float]:
        """The 95 % interval of false accepts per hour; see `poisson_interval`."""
        return poisson_interval(self.n_false, self.hours)

    @classmethod
    def of_words(cls, per_word: Mapping[str, Detections]) -> Detections:
        """Add up the counts of several words in the same hours."""
        return cls._added(per_word.values(), next(iter(per_word.values())).hours)

    @classmethod
    def of_scenes(cls, scenes: Sequence[Detections]) -> Detections:
        """Add up the counts of the same words in several scenes."""
        return cls._added(scenes, sum(scene.hours for scene in scenes))

    @classmethod
    def _added(cls, parts: Iterable[Detections], hours: float) -> Detections:
        counts = np.array([(part.n_labels, part.n_hits, part.n_false) for part in parts])
        n_labels, n_hits, n_false = counts.sum(axis=0).tolist()
        return cls(n_labels, n_hits, n_false, hours)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Detections:
        """Create the counts from the values of `to_dict`."""
        return cls(**{field.name: values[field.name] for field in fields(cls)})

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self) | {
            "miss_rate": self.miss_rate,
            "miss_interval": list(self.miss_interval),
            "false_per_hour": self.false_per_hour,
            "false_interval": list(self.false_interval),
        }


def count(
    labels: Sequence[Label],
    words: Sequence[Word],
    vocabulary: Iterable[str],
    hours: float,
    tolerance_seconds: float = TOLERANCE_SECONDS,
) -> dict[str, Detections]:
    """Count hits, misses and false accepts of each word of the vocabulary."""
    hits = [labels[row].word for row, _ in match(labels, words, tolerance_seconds)]
    spoken = [label.word for label in labels]
    events = [word.word for word in words]
    return {
        word: Detections(
            spoken.count(word), hits.count(word), events.count(word) - hits.count(word), hours
        )
        for word in vocabulary
    }


def lags_of(
    labels: Sequence[Label],
    words: Sequence[Word],
    tolerance_seconds: float = TOLERANCE_SECONDS,
) -> list[tuple[float, float]]:
    """Return start and end errors of hits in seconds: the detection's times minus the word's."""
    return [
        (words[event].start - labels[label].start, words[event].end - labels[label].end)
        for label, event in match(labels, words, tolerance_seconds)
    ]


@dataclass(frozen=True)
class DetPoint:
    """A point of the DET curve (Martin et al., 1997): the counts at one threshold of all words.

    The curve shows misses over false accepts per hour, because a stream has no number of trials.
    """

    threshold: float
    per_word: Mapping[str, Detections]

    @property
    def total(self) -> Detections:
        """Counts of all words together."""
        return Detections.of_words(self.per_word)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        words = {word: found.to_dict() for word, found in self.per_word.items()}
        return {"threshold": self.threshold, **self.total.to_dict(), "per_word": words}


def best_point(curve: Iterable[DetPoint], false_per_hour: float) -> DetPoint | None:
    """Return the point with the fewest misses among those with at most this false-accept rate.

    Ties are broken by fewer false accepts, then by the higher threshold; None if there is no such
    point.
    there is none.
    """
    allowed = [point for point in curve if point.total.false_per_hour <= false_per_hour]
    key = lambda point: (point.total.n_missed, point.total.n_false, -point.threshold)  # noqa: E731
    return min(allowed, key=key, default=None)


def too_short(hours: float, false_per_hour: float) -> str | None:
    """Return a warning if audio is too short for a promised rate, even without a false accept."""
    most = poisson_limit(0, hours)
    if most <= false_per_hour:
        return None
    enough = f"it takes {3 / false_per_hour:.1f} hours" if false_per_hour else "allow for a few"
    return (
        f"{hours:.2f} hours are too short to promise {false_per_hour:g} false accepts an hour: "
        f"with none in them the upper 95 % limit is 3/{hours:.2f} = {most:.2f} an hour; {enough}"
    )


INTERVALS = ("median_interval", "p95_interval")


@dataclass(frozen=True)
class Quantiles:
    """Median and 95th percentile of a time of hits in seconds, with intervals."""

    n_hits: int
    median: float
    median_interval: tuple[float, float]
    p95: float
    p95_interval: tuple[float, float]

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Quantiles | None:
        """Return the quantiles of the seconds of each hit; None without hits."""
        if not seconds:
            return None
        median, p95 = np.quantile(seconds, [0.5, 0.95]).tolist()
        return cls(
            len(seconds),
            median,
            quantile_interval(seconds, 0.5),
            p95,
            quantile_interval(seconds, 0.95),
        )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Quantiles:
        """Create the quantiles from the values of `to_dict`."""
        intervals: dict[str, Any] = {name: tuple(values[name]) for name in INTERVALS}
        return cls(**{**values, **intervals})

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        intervals = {name: list(getattr(self, name)) for name in INTERVALS}
        return asdict(self) | intervals
