"""Measure the cost of recognition: multiply-adds, bytes and time."""

from __future__ import annotations

import statistics
import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from speech_rnn.evaluation.machine import n_cores, processor
from speech_rnn.model.complexity import multiply_adds
from speech_rnn.recognizer import Recognizer
from speech_rnn.tensors.threads import one_thread

PASSES, SECONDS = 7, 2
"""Number of timed passes, whose median is taken, and duration of the clip in seconds."""


@dataclass(frozen=True)
class Cost:
    """The cost of running a Recognizer.

    Parameters
    ----------
    n_parameters : number of weights of the model.
    multiply_adds_per_second : multiply-adds of the model per second of sound.
    file_bytes : size of its file in bytes.
    real_time_factor : seconds per second of sound, from samples to words, on one thread.
    processor, n_cores : the machine on which that was measured.
    """

    n_parameters: int
    multiply_adds_per_second: int
    file_bytes: int
    real_time_factor: float
    processor: str
    n_cores: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def cost_of(recognizer: Recognizer, file_bytes: int) -> Cost:
    """Measure the cost of a Recognizer on the CPU; `file_bytes` is the size of its file."""
    model = recognizer.model
    return Cost(
        n_parameters=model.n_parameters,
        multiply_adds_per_second=multiply_adds(model, round(1 / recognizer.features.hop_seconds)),
        file_bytes=file_bytes,
        real_time_factor=_real_time_factor(recognizer),
        processor=processor(),
        n_cores=n_cores(),
    )


def _real_time_factor(recognizer: Recognizer) -> float:
    noise = np.random.default_rng(0).standard_normal(SECONDS * recognizer.sample_rate)
    clip = 0.1 * noise.astype(np.float32)
    took = []
    with one_thread():
        for _ in range(1 + PASSES):
            begun = time.perf_counter()
            recognizer.transcribe(clip)
            took.append(time.perf_counter() - begun)
    return round(statistics.median(took[1:]) / SECONDS, 5)  # the first pass is a warm-up
