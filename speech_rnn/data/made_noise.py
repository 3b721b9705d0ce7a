"""Synthetic noise: coloured, modulated, clatter, hum and tones.

Each kind is a function that draws a scene of some seconds; its character is drawn once per scene.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from speech_rnn.data.mixing import coloured_noise

Samples = NDArray[np.float32]
Maker = Callable[[int, int, Generator], Samples]
"""A function that returns a scene of n samples, at a rate in Hz and at any level."""

MOST_HARMONICS = 24
BAND = 0.45
"""Highest frequency of tones, as a fraction of the sample rate."""
RING_SECONDS = 0.4
"""Seconds for which a struck object rings."""
NOTE_SECONDS = 0.5


def steady(n_samples: int, sample_rate: int, random: Generator) -> Samples:
    """Draw noise whose power falls with f^-a, a in [0, 2]: white, pink, brown."""
    return coloured_noise(n_samples, random.uniform(0, 2), random)


def modulated(n_samples: int, sample_rate: int, random: Generator) -> Samples:
    """Draw coloured noise, amplitude-modulated at two rates of 0.5 to 12 Hz, as in speech."""
    time = np.arange(n_samples) / sample_rate
    envelope = np.ones(n_samples)
    for _ in range(2):
        rate = _log_uniform(0.5, 12, random)
        depth, phase = random.uniform((0.5, 0), (1, 2 * np.pi))
        envelope *= 1 + depth * np.sin(2 * np.pi * rate * time + phase)
    return (steady(n_samples, sample_rate, random) * envelope).astype(np.float32)


def clatter(n_samples: int, sample_rate: int, random: Generator) -> Samples:
    """Draw dishes and tools: objects that are struck 3 to 15 times a second, ring and decay."""
    length = min(round(RING_SECONDS * sample_rate), n_samples)
    things = [_struck(length, sample_rate, random) for _ in range(random.integers(2, 6))]
    scene = np.zeros(n_samples + length, dtype=np.float32)
    n_strokes = max(1, random.poisson(random.uniform(3, 15) * n_samples / sample_rate))
    for start in random.integers(n_samples, size=n_strokes):
        level = np.float32(10 ** (random.normal(0, 8) / 20))
        scene[start : start + length] += level * things[random.integers(len(things))]
    return scene[:n_samples]


def hum(n_samples: int, sample_rate: int, random: Generator) -> Samples:
    """Draw a motor or mains hum: drifting harmonics of 45 to 250 Hz, and noise."""
    time = np.arange(n_samples) / sample_rate
    pitch, drift = _log_uniform(45, 250, random), random.uniform(0, 0.03)
    moving = pitch * (1 + drift * np.sin(2 * np.pi * random.uniform(0.05, 0.5) * time))
    phase = 2 * np.pi * np.cumsum(moving) / sample_rate
    slope = random.uniform(0.3, 1.5)
    scene = np.zeros(n_samples)
    for harmonic in range(1, min(MOST_HARMONICS, int(BAND * sample_rate / pitch)) + 1):
        level = harmonic**-slope * 10 ** (random.normal(0, 6) / 20)
        scene += level * np.sin(harmonic * phase + random.uniform(0, 2 * np.pi))
    noise = steady(n_samples, sample_rate, random)
    below = 10 ** (-random.uniform(6, 30) / 20) * scene.std() / max(float(noise.std()), 1e-12)
    return (scene + below * noise).astype(np.float32)


def tones(n_samples: int, sample_rate: int, random: Generator) -> Samples:
    """Draw notes of a scale: one to three at a time, plucked or held, 1 to 5 per second."""
    length = min(round(NOTE_SECONDS * sample_rate), n_samples)
    scene = np.zeros(n_samples + length, dtype=np.float32)
    decay, slope = _log_uniform(0.05, 2, random), random.uniform(0.5, 2)
    root, steps = _log_uniform(110, 440, random), np.array([0, 2, 4, 7, 9, 12, 14, 16])
    at = 0
    while at < n_samples:
        for step in random.choice(steps, random.integers(1, 4), replace=False):
            note = _note(root * 2 ** (step / 12), length, sample_rate, decay, slope)
            scene[at : at + length] += note
        at += round(sample_rate / random.uniform(1, 5))
    return scene[:n_samples]


MAKERS: Mapping[str, Maker] = {
    "steady": steady,
    "modulated": modulated,
    "clatter": clatter,
    "hum": hum,
    "tones": tones,
}
"""The function that makes each kind of noise, by name."""


def _struck(n_samples: int, sample_rate: int, random: Generator) -> Samples:
    """Draw a struck object: three to six decaying modes, and the impact."""
    time = np.arange(n_samples) / sample_rate
    sound = random.standard_normal(n_samples) * np.exp(-time / 0.002)
    for _ in range(random.integers(3, 7)):
        hz = _log_uniform(400, min(7000, BAND * sample_rate), random)
        sound += np.exp(-time / _log_uniform(0.005, 0.12, random)) * np.sin(2 * np.pi * hz * time)
    return sound.astype(np.float32)


def _note(hz: float, n_samples: int, sample_rate: int, decay: float, slope: float) -> Samples:
    """Return a note with four harmonics, faded in and out."""
    time = np.arange(n_samples) / sample_rate
    harmonics = [n for n in range(1, 5) if n * hz < BAND * sample_rate]
    sound = sum((n**-slope * np.sin(2 * np.pi * n * hz * time) for n in harmonics), 0 * time)
    ends = np.minimum(1, np.minimum(time, time[::-1]) / 0.01)
    return (sound * ends * np.exp(-time / decay)).astype(np.float32)


def _log_uniform(low: float, high: float, random: Generator) -> float:
    return float(np.exp(random.uniform(np.log(low), np.log(high))))
