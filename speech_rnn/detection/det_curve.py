"""A recogniser that hears hours of sound in which it is known what is said, and its figures.

One pass gives the whole DET curve: the posteriors of the stream, which are what costs, go to a
spotter for each threshold. So a point is exactly what its threshold gives alone. Scores of the
events of one low threshold would not do: it opens on what comes before a word and fires early, or
keeps two words together that a higher one parts.
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
    """Sound in which it is known what is said: a `LongStream`, a `Recording` and the like."""

    @property
    def sample_rate(self) -> int:
        """Sample rate in Hz."""

    @property
    def duration(self) -> float:
        """Duration in seconds."""

    @property
    def labels(self) -> tuple[Label, ...]:
        """The words that are said."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Warnings for whoever reads its figures."""

    def blocks(self, block_seconds: float) -> Blocks:
        """Yield the samples, (n,) each."""


Watch = Callable[[Blocks, int], Blocks]
"""Passes blocks on and shows how many of so many have passed."""

# Spaced in log odds, so that they lie closer near 1, where false accepts thin out. The highest is
# a millionth short of 1: what a network has learnt well it is so sure of.
ODDS = (*np.arange(-4.0, 2.0, 0.5), *np.arange(2.0, 14.1, 0.25))
THRESHOLDS = tuple(round(float(1 / (1 + np.exp(-odds))), 7) for odds in ODDS)
STEPS_AT_ONCE = 1000
RATES = (0.1, 0.5, 1.0, 5.0)
"""False accepts an hour at which miss rates are reported."""


@dataclass(frozen=True)
class Heard:
    """What was found in a scene.

    Parameters
    ----------
    vocabulary : the words that could be found.
    labels : the words that were said.
    hours : of sound.
    words : the events.
    told : seconds of sound that had been heard when each came.
    curve : the events of each threshold of all words.
    notes : what the person who reads figures of it should know.
    """

    vocabulary: Sequence[str]
    labels: tuple[Label, ...]
    hours: float
    words: list[Word]
    told: list[float]
    curve: dict[float, list[Word]]
    notes: tuple[str, ...]

    def count(self, tolerance_seconds: float = TOLERANCE_SECONDS) -> dict[str, Detections]:
        """Count the events of each word."""
        return count(self.labels, self.words, self.vocabulary, self.hours, tolerance_seconds)

    def points(self, tolerance_seconds: float = TOLERANCE_SECONDS) -> tuple[DetPoint, ...]:
        """Count the events of each threshold, from the lowest to the highest."""
        return tuple(
            DetPoint(
                threshold,
                count(self.labels, words, self.vocabulary, self.hours, tolerance_seconds),
            )
            for threshold, words in sorted(self.curve.items())
        )

    def latencies(self, tolerance_seconds: float = TOLERANCE_SECONDS) -> list[float]:
        """Return the seconds from the end of each word that was found to its event."""
        hits = match(self.labels, self.words, tolerance_seconds)
        return [self.told[event] - self.labels[label].end for label, event in hits]


def own_spotting(recognizer: Recognizer) -> Spotting:
    """Return when a word is an event by default: as tuned, or as suits the head."""
    return recognizer.spotting or Spotting.of(recognizer.vocabulary.head)


def hear(
    recognizer: Recognizer,
    scene: Scene,
    spotting: Spotting,
    thresholds: Sequence[float] = (),
    *,
    block_seconds: float = 0.1,
    watch: Watch = lambda blocks, _: blocks,
) -> Heard:
    """Let a recogniser hear a scene by `spotting`, and by other thresholds of all words at once.

    Parameters
    ----------
    block_seconds : of sound that is worked on at once; a word is told when its block has ended.
    watch : shows progress.

    Raises
    ------
    AudioError
        for sound that cannot be used.
    ConfigurationError
        for a recogniser that cannot stream.
    DataError
        for a scene with words that the recogniser does not know.
    """
    stream = recognizer.stream(scene.sample_rate, spotting=spotting, block_seconds=block_seconds)
    spotter, sweep = stream.posteriors.spotter(spotting), _Sweep(stream, spotting, thresholds)
    if unknown := {label.word for label in scene.labels} - set(spotter.words):
        raise DataError(
            f"words {sorted(unknown)} are not words of the model: "
            f"{', '.join(spotter.words)}; choose a corpus of its words"
        )
    words: list[Word] = []
    told: list[float] = []
    n_samples = 0

    def take(pieces: list[Posteriors]) -> None:
        found = spotter.hear(pieces)
        words.extend(found)
        told.extend([n_samples / scene.sample_rate] * len(found))
        sweep.hear(pieces)

    n_blocks = int(np.ceil(scene.duration / block_seconds))
    for block in watch(scene.blocks(block_seconds), n_blocks):
        n_samples += len(block)
        take(stream.posteriors.push(block))
    notes = [*scene.notes, *stream.samples.levels.problems()]
    take(stream.posteriors.finish())
    hours = n_samples / scene.sample_rate / 3600
    return Heard(spotter.words, scene.labels, hours, words, told, sweep.finish(), tuple(notes))


class _Sweep:
    """Spotters of the same posteriors, a threshold each; they get many steps at once."""

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
    """How well words are spotted in hours of sound.

    Parameters
    ----------
    spotting : by which the words were found.
    tolerance_seconds : of a hit.
    per_word : the counts of each word.
    latency : from the end of each word that was found to its event; None without any. Below zero
        where a word was told before it had ended.
    starts, ends : by how much the times of those words are off; None without any.
    curve : by threshold, from the lowest to the highest; the thresholds of `spotting` aside, all
        is as there.
    notes : what the person who reads them should know.
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
        """All words together."""
        return Detections.of_words(self.per_word)

    @property
    def at_rates(self) -> dict[float, DetPoint | None]:
        """The point with the fewest misses at so many false accepts an hour, or fewer."""
        return {rate: best_point(self.curve, rate) for rate in RATES}

    @property
    def times(self) -> dict[str, Quantiles | None]:
        """What is known of the times of hits: ``latency``, ``starts`` and ``ends``."""
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
        """Make the report from `to_dict`'s values."""

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
    """Let a recogniser hear scenes, one after the other, and count.

    Parameters
    ----------
    threshold : of all words; None takes those of the recogniser.
    tolerance_seconds : of a hit, see `match`.
    block_seconds, watch : as for `hear`.

    Raises
    ------
    DataError
        without scenes.
    """
    if not scenes:
        raise DataError("there is no sound to measure on; give recordings, or compose a stream")
    spotting = own_spotting(recognizer)
    if threshold is not None:
        spotting = replace(spotting, threshold=threshold, thresholds={})
    heard = [
        hear(recognizer, scene, spotting, THRESHOLDS, block_seconds=block_seconds, watch=watch)
        for scene in scenes
    ]
    curves = [one.points(tolerance_seconds) for one in heard]
    latencies = [seconds for one in heard for seconds in one.latencies(tolerance_seconds)]
    lags = [pair for one in heard for pair in lags_of(one.labels, one.words, tolerance_seconds)]
    return DetectionReport(
        spotting=spotting,
        tolerance_seconds=tolerance_seconds,
        per_word=_added([one.count(tolerance_seconds) for one in heard]),
        latency=Quantiles.of(latencies),
        starts=Quantiles.of([abs(start) for start, _ in lags]),
        ends=Quantiles.of([abs(end) for _, end in lags]),
        curve=tuple(
            DetPoint(points[0].threshold, _added([point.per_word for point in points]))
            for points in zip(*curves, strict=True)
        ),
        notes=tuple(note for one in heard for note in one.notes),
    )


def _added(scenes: Sequence[Mapping[str, Detections]]) -> dict[str, Detections]:
    """Add the counts of each word in several scenes."""
    return {word: Detections.of_scenes([counts[word] for counts in scenes]) for word in scenes[0]}
