"""What is heard: a second of a file, or noise that swells as syllables do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from speech_rnn.audio import load_audio

__all__ = ["clips", "idle", "one_second"]

SYLLABLES_PER_SECOND = 4
IDLE_LEVEL = 0.003
"""Of a quiet room, root mean square of full scale: -50 dB."""


def one_second(audio: str | None, sample_rate: int) -> NDArray[np.float32]:
    """Return a second of sound, (N,): of a file, with silence after a shorter one, or made.

    Raises
    ------
    AudioError
        if the file cannot be read.
    """
    if audio is None:
        return clips(1, sample_rate)[0]
    samples = load_audio(audio, sample_rate)[:sample_rate]
    return np.pad(samples, (0, sample_rate - len(samples)))


def clips(n: int, sample_rate: int, seconds: float = 1.0) -> NDArray[np.float32]:
    """Return clips of noise that swells as syllables do, (n, N); the same each time."""
    n_samples = round(seconds * sample_rate)
    noise = np.random.default_rng(0).standard_normal((n, n_samples))
    time = np.arange(n_samples) / sample_rate
    loudness = np.sin(np.pi * SYLLABLES_PER_SECOND * time) ** 2
    return (0.1 * noise * loudness).astype(np.float32)


def idle(sample_rate: int) -> NDArray[np.float32]:
    """Return a second of a room in which nobody speaks, (N,): steady noise; the same each time."""
    return (IDLE_LEVEL * np.random.default_rng(0).standard_normal(sample_rate)).astype(np.float32)
