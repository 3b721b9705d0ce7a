"""Run a recogniser over hours of labelled sound, and compute its detection figures.

A single pass gives the whole DET curve: the posteriors of the stream, which take the time, are
passed to one spotter per threshold. Each point is therefore exactly what its threshold alone would
give. Filtering the events of one low threshold would not be: a low threshold triggers early, on
sound before a word, or merges two words that a higher one separates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from speech_rnn.decoding.hypothesis import Word
from speech_rnn.detection.labels import Label
from speech_rnn.detection.matching import (
    TOLERANCE_SECONDS,
    Detections,
    DetPoint,
    Quantiles,
    best_point,
    count,
    lags_of,
    match,
)
from speech_rnn.errors import DataError
from speech_rnn.recognizer import Recognizer
from speech_rnn.streaming.spotter import Spotting
from speech_rnn.streaming.stream import EventStream, Posteriors, WordSpotter

Blocks = Iterable[NDArray[np.float32]]


class Scene(Protocol):
    """Labelled sound, such as a `LongStream` or a `Recording`."""

    @property
    def sample_rate(self) -> int:
        """Sample rate in Hz."""

    @property
    def duration(self) -> float:
        """Duration in seconds."""

    @property
    def labels(self) -> tuple[Label, ...]:
        """The words that are spoken."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Warnings for the reader of the figures."""

    def blocks(self, block_seconds: float) -> Blocks:
        """Yield the samples in blocks (n,)."""


Watch = Callable[[Blocks, int], Blocks]
"""A function that passes blocks on, and shows how many of the total have passed."""

# Evenly spaced in log odds, hence denser near 1, where false accepts become rare. The highest is
# one millionth below 1, because a well-trained network is very confident.
ODDS = (*np.arange(-4.0, 2.0, 0.5), *np.arange(2.0, 14.1, 0.25))
THRESHOLDS = tuple(round(float(1 / (1 + np.exp(-odds))), 7) for odds in ODDS)
STEPS_AT_ONCE = 1000
RATES = (0.1, 0.5, 1.0, 5.0)
"""False accepts per hour at which miss rates are reported."""


@dataclass(frozen=True)
class SceneDetections:
    """The detections of a recogniser in a scene.

    Parameters
    ----------
    vocabulary : the words that could be detected.
    labels : the words that are spoken.
    hours : duration of the sound, in hours.
    words : the detections.
    reported : time at which each detection was reported, in seconds of sound.
    curve : the detections at each threshold, which is the same for all words.
    notes : warnings for the reader of the figures.
    """

    vocabulary: Sequence[str]
    labels: tuple[Label, ...]
    hours: float
    words: list[Word]
    reported: list[float]
    curve: dict[float, list[Word]]
    notes: tuple[str, ...]

    def count(self, tolerance_seconds: float = TOLERANCE_SECONDS) -> dict[str, Detections]:
        """Return hits, misses and false accepts of each word."""
        return count(self.labels, self.words, self.vocabulary, self.hours, tolerance_seconds)

    def points(self, tolerance_seconds: float = TOLERANCE_SECONDS) -> tuple[DetPoint, ...]:
        """Return hits, misses and false accepts at each threshold, in ascending order."""
        return tuple(
            DetPoint(
                threshold,
                count(self.labels, words, self.vocabulary, self.hours, tolerance_seconds),
            )
            for threshold, words in sorted(self.curve.items())
        )

    def latencies(self, tolerance_seconds: float = TOLERANCE_SECONDS) -> list[float]:
        """Return the latency of each hit: seconds from the end of the word to its detection."""
        hits = match(self.labels, self.words, tolerance_seconds)
        return [self.reported[event] - self.labels[label].end for label, event in hits]


def detect_in(
    recognizer: Recognizer,
    scene: Scene,
    spotting: Spotting,
    thresholds: Sequence[float] = (),
    *,
    block_seconds: float = 0.1,
    watch: Watch = lambda blocks, _: blocks,
) -> SceneDetections:
    """Run a recogniser over a scene with `spotting`, and with each of `thresholds` for all words.

    Parameters
    ----------
    block_seconds : duration of a block; a word is reported at the end of its block.
    watch : function that shows progress.

    Raises
    ------
    AudioError
        if sound cannot be used.
    ConfigurationError
        if the recogniser cannot stream.
    DataError
        if the scene has words that the recogniser does not have.
    """
    stream = recognizer.stream(scene.sample_rate, spotting=spotting, block_seconds=block_seconds)
    spotter, sweep = stream.posteriors.spotter(spotting), _Sweep(stream, spotting, thresholds)
    if unknown := {label.word for label in scene.labels} - set(spotter.words):
        raise DataError(
            f"words {sorted(unknown)} are not words of the model: "
            f"{', '.join(spotter.words)}; choose a corpus of its words"
        )
    words: list[Word] = []
    reported: list[float] = []
    n_samples = 0

    def take(pieces: list[Posteriors]) -> None:
        found = spotter.hear(pieces)
        words.extend(found)
        reported.extend([n_samples / scene.sample_rate] * len(found))
        sweep.hear(pieces)

    n_blocks = int(np.ceil(scene.duration / block_seconds))
    for block in watch(scene.blocks(block_seconds), n_blocks):
        n_samples += len(block)
        take(stream.posteriors.push(block))
    notes = [*scene.notes, *stream.samples.levels.problems()]
    take(stream.posteriors.finish())
    hours = n_samples / scene.sample_rate / 3600
    return SceneDetections(
        spotter.words, scene.labels, hours, words, reported, sweep.finish(), tuple(notes)
    )


class _Sweep:
    """Spotters of the same posteriors, one per threshold; they process many steps at once."""

    def __init__(
        self, stream: EventStream, spotting: Spotting, thresholds: Sequence[float]
    ) -> None:
        alone = [replace(spotting, threshold=threshold, thresholds={}) for threshold in thresholds]
        self._spotters: list[WordSpotter] = [stream.posteriors.spotter(one) for one in alone]
        self._found: list[list[Word]] = [[] for _ in thresholds]
        self._thresholds = thresholds
        self._waiting: list[Posteriors] = []

    def hear(self, pieces: Iterable[Posteriors]) -> None:
        for piece in pieces:
            self._waiting.append(piece)
            if piece.closes or sum(len(one.values) for one in self._waiting) >= STEPS_AT_ONCE:
                self._work()

    def finish(self) -> dict[float, list[Word]]:
        self._work()
        return dict(zip(self._thresholds, self._found, strict=True))

    def _work(self) -> None:
        if not self._waiting:
            return
        values = np.concatenate([piece.values for piece in self._waiting])
        piece = self._waiting[-1]._replace(values=values)
        for spotter, found in zip(self._spotters, self._found, strict=True):
            found += spotter.hear([piece])
        self._waiting = []


@dataclass(frozen=True)
class DetectionReport:
    """Detection figures in hours of sound.

    Parameters
    ----------
    spotting : settings of the detection.
    tolerance_seconds : tolerance of a hit.
    per_word : counts of each word.
    latency : seconds from the end of a word to its detection; None without hits. It is negative if
        a word was reported before its end.
    starts, ends : errors of the start and end times of hits, in seconds; None without hits.
    curve : counts by threshold, in ascending order; all other settings are those of `spotting`.
    notes : warnings for the reader of the figures.
    """

    spotting: Spotting
    tolerance_seconds: float
    per_word: dict[str, Detections]
    latency: Quantiles | None
    starts: Quantiles | None
    ends: Quantiles | None
    curve: tuple[DetPoint, ...]
    notes: tuple[str, ...] = ()

    @property
    def total(self) -> Detections:
        """Counts of all words together."""
        return Detections.of_words(self.per_word)

    @property
    def at_rates(self) -> dict[float, DetPoint | None]:
        """The point with the fewest misses at each of `RATES`; None if no point reaches it."""
        return {rate: best_point(self.curve, rate) for rate in RATES}

    @property
    def times(self) -> dict[str, Quantiles | None]:
        """Statistics of the times of hits: ``latency``, ``starts`` and ``ends``."""
        return {"latency": self.latency, "starts": self.starts, "ends": self.ends}

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "total": self.total.to_dict(),
            "per_word": {word: found.to_dict() for word, found in self.per_word.items()},
            **{name: quantiles and quantiles.to_dict() for name, quantiles in self.times.items()},
            "curve": [point.to_dict() for point in self.curve],
            "spotting": self.spotting.to_dict(),
            "tolerance_seconds": self.tolerance_seconds,
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> DetectionReport:
        """Create the report from the values of `to_dict`."""

        def words(point: Mapping[str, Any]) -> dict[str, Detections]:
            return {word: Detections.from_dict(row) for word, row in point["per_word"].items()}

        times = ("latency", "starts", "ends")
        latency, starts, ends = (
            values[name] and Quantiles.from_dict(values[name]) for name in times
        )
        return cls(
            spotting=Spotting(**values["spotting"]),
            tolerance_seconds=values["tolerance_seconds"],
            per_word=words(values),
            latency=latency,
            starts=starts,
            ends=ends,
            curve=tuple(DetPoint(point["threshold"], words(point)) for point in values["curve"]),
            notes=tuple(values["notes"]),
        )


def detect(
    recognizer: Recognizer,
    scenes: Sequence[Scene],
    *,
    threshold: float | None = None,
    tolerance_seconds: float = TOLERANCE_SECONDS,
    block_seconds: float = 0.1,
    watch: Watch = lambda blocks, _: blocks,
) -> DetectionReport:
    """Run a recogniser over scenes, one after another, and count its detections.

    Parameters
    ----------
    threshold : threshold of all words; None uses those of the recogniser.
    tolerance_seconds : tolerance of a hit, see `match`.
    block_seconds, watch : as in `detect_in`.

    Raises
    ------
    DataError
        if there are no scenes.
    """
    if not scenes:
        raise DataError("there is no sound to measure on; give recordings, or compose a stream")
    spotting = recognizer.own_spotting
    if threshold is not None:
        spotting = replace(spotting, threshold=threshold, thresholds={})
    scenes_found = [
        detect_in(recognizer, scene, spotting, THRESHOLDS, block_seconds=block_seconds, watch=watch)
        for scene in scenes
    ]
    curves = [one.points(tolerance_seconds) for one in scenes_found]
    latencies = [seconds for one in scenes_found for seconds in one.latencies(tolerance_seconds)]
    lags = [
        pair for one in scenes_found for pair in lags_of(one.labels, one.words, tolerance_seconds)
    ]
    return DetectionReport(
        spotting=spotting,
        tolerance_seconds=tolerance_seconds,
        per_word=_added([one.count(tolerance_seconds) for one in scenes_found]),
        latency=Quantiles.of(latencies),
        starts=Quantiles.of([abs(start) for start, _ in lags]),
        ends=Quantiles.of([abs(end) for _, end in lags]),
        curve=tuple(
            DetPoint(points[0].threshold, _added([point.per_word for point in points]))
            for points in zip(*curves, strict=True)
        ),
        notes=tuple(note for one in scenes_found for note in one.notes),
    )


def _added(scenes: Sequence[Mapping[str, Detections]]) -> dict[str, Detections]:
    """Add up the counts of each word over several scenes."""
    return {word: Detections.of_scenes([counts[word] for counts in scenes]) for word in scenes[0]}
