"""The interface of adapters to other wake-word engines, and the events in their scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from speech_rnn.decoding.hypothesis import Word
from speech_rnn.detection.det_curve import Scene, SceneDetections
from speech_rnn.samples.integers import quantize
from speech_rnn.streaming.spotter import Spotter, Spotting

RATE = 16_000
CHUNK = 1280
"""Samples per call of an adapter: 80 ms."""
STEP_SECONDS = CHUNK / RATE
STEPS_AT_ONCE = 1000

CROSSING = Spotting(
    release=1.0,
    smoothing="max",
    smoothing_seconds=0.0,
    settle_seconds=0.0,
    min_seconds=0.0,
    refractory_seconds=2.0,
)
"""A word is detected in the step in which its score reaches the threshold, and not again within two
seconds, as in wakeforge and in servers of openWakeWord."""


class Rival(Protocol):
    """An engine that detects some words.

    Attributes
    ----------
    thresholds : default threshold of the engine for each word.
    files : the model files.
    """

    thresholds: Mapping[str, float]
    files: Sequence[Path]

    def push(self, chunk: NDArray[np.int16]) -> list[float]:
        """Take the next samples, (1280,), and return the highest score of each word, in [0, 1]."""


def scores_of(rival: Rival, scene: Scene) -> NDArray[np.float64]:
    """Return the scores (T, W) of an engine for its words in a scene, one step per 80 ms."""
    whole = (block for block in scene.blocks(STEP_SECONDS) if len(block) == CHUNK)
    return np.array([rival.push(quantize(block)) for block in whole]).reshape(
        -1, len(rival.thresholds)
    )


def events(
    scores: NDArray[np.float64], words: Sequence[str], thresholds: Mapping[str, float]
) -> list[Word]:
    """Return the events in scores (T, W); the words are detected independently."""
    found = []
    for column, word in enumerate(words):
        spotter = Spotter(replace(CROSSING, threshold=thresholds[word]), [word], STEP_SECONDS)
        for start in range(0, len(scores), STEPS_AT_ONCE):
            found += spotter.push(scores[start : start + STEPS_AT_ONCE, column : column + 1])
        found += spotter.flush()
    spans = [(event, event.start * STEP_SECONDS, event.stop * STEP_SECONDS) for event in found]
    return [Word(event.word, start, stop, event.confidence) for event, start, stop in spans]


def run_rival(rival: Rival, scene: Scene, thresholds: Sequence[float]) -> SceneDetections:
    """Run an engine over a scene, with its own thresholds and with others.

    Parameters
    ----------
    scene : a scene; labels of words that the engine lacks are left out.
    thresholds : thresholds of the curve, the same for all words.
    """
    words = list(rival.thresholds)
    scores = scores_of(rival, scene)
    own = events(scores, words, rival.thresholds)
    return SceneDetections(
        vocabulary=words,
        labels=tuple(label for label in scene.labels if label.word in words),
        hours=len(scores) * STEP_SECONDS / 3600,
        words=own,
        reported=[word.end for word in own],
        curve={one: events(scores, words, dict.fromkeys(words, one)) for one in thresholds},
        notes=tuple(scene.notes),
    )
