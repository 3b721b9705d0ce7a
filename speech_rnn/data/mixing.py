"""Mix composed utterances, and find the word within a clip."""

from __future__ import annotations

from collections.abc import Callable
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft

from speech_rnn.audio.signal import noise_gain
from speech_rnn.data.corpus import PINK, Part, Utterance

Samples = NDArray[np.float32]
FADE_SECONDS = 0.005
DEEPEST_DB, LEAST_DB = 35.0, 20.0
"""Range of levels below the loudest 10 ms at which a word may start and end, in dB."""
LONGEST_PAUSE = 30
"""Longest pause within a word or phrase, in frames of 10 ms."""
SILENT_DB = 80.0
"""Level below the loudest 10 ms, in dB, that counts as digital silence and not as noise floor."""
QUIET_SHARE = 0.2
"""Quantile of a clip's frame levels that is taken as the noise floor."""


def compose(utterance: Utterance, sample_rate: int, read: Callable[[Part], Samples]) -> Samples:
    """Return the samples of a composed utterance, (N,) in [-1, 1].

    Without parts it is only the noise, scaled to full scale.

    Parameters
    ----------
    utterance : an utterance with a composition.
    sample_rate : sample rate in Hz.
    read : function that returns the samples of a part.
    """
    composition = utterance.composition
    assert composition is not None
    mixed = np.zeros(round((utterance.duration_seconds or 0) * sample_rate), dtype=np.float32)
    spoken_at = np.zeros(len(mixed), dtype=bool)
    for part in composition.parts:
        start = round(part.at_seconds * sample_rate)
        place = slice(start, start + round(part.duration_seconds * sample_rate))
        room = len(mixed[place])
        samples = faded(read(part)[:room], sample_rate) * np.float32(part.gain)
        mixed[place][: len(samples)] += samples
        spoken_at[place] = True
    if composition.noise_snr_db is not None:
        if composition.noise == PINK:
            noise = pink_noise(len(mixed), crc32(utterance.audio.encode(errors="surrogateescape")))
        else:
            bed = Part(
                composition.noise, "", 0.0, composition.noise_seconds, len(mixed) / sample_rate
            )
            noise = np.resize(read(bed), len(mixed))  # a short recording is repeated
        loudness = float(np.mean(mixed[spoken_at] ** 2)) if spoken_at.any() else 1.0
        power = max(float(np.mean(noise**2)), 1e-12)
        mixed += noise * np.float32(noise_gain(loudness, power, composition.noise_snr_db))
    return mixed / max(1.0, float(np.abs(mixed).max(initial=0.0)))


def pink_noise(n_samples: int, seed: int) -> Samples:
    """Return noise whose power density falls with 1 / f, at any level."""
    return coloured_noise(n_samples, 1.0, np.random.default_rng(seed))


def coloured_noise(n_samples: int, tilt: float, random: np.random.Generator) -> Samples:
    """Return Gaussian noise whose power density falls with f^-tilt, at any level."""
    size = next_fast_len(n_samples, real=True)  # other lengths take several times as long
    spectrum = rfft(random.standard_normal(size).astype(np.float32))
    bins = np.arange(len(spectrum), dtype=np.float32).clip(min=1)
    return np.asarray(irfft(spectrum * bins ** (-tilt / 2), n=size)[:n_samples])


def faded(samples: Samples, sample_rate: int) -> Samples:
    """Return samples (N,) with a ramp at both ends, to avoid clicks."""
    size = min(round(FADE_SECONDS * sample_rate), len(samples) // 2)
    ramp = np.linspace(0, 1, size, dtype=np.float32)
    faded = samples.copy()
    faded[:size] *= ramp
    faded[len(faded) - size :] *= ramp[::-1]
    return faded


def trim(samples: Samples, sample_rate: int, trim_db: float) -> tuple[int, int]:
    """Find the word in a clip: return its start and end in samples.

    The word extends from the first to the last 10 ms whose level is less than `trim_db` below the
    loudest, plus 20 ms on either side. A clip shorter than 10 ms is kept whole.
    """
    size = max(1, sample_rate // 100)
    frames = _frames(samples, size)
    if not len(frames):
        return 0, len(samples)
    power = np.mean(frames**2, axis=1)
    loud = np.flatnonzero(power >= power.max() * 10 ** (-trim_db / 10))
    return _around(loud, size, len(samples))


def spoken(samples: Samples, sample_rate: int, above_noise_db: float) -> tuple[int, int]:
    """Find the word in a clip (N,) with a noise floor; return its start and end in samples.

    The word is the longest stretch without a pause of more than 0.3 s. A pause is less than
    `above_noise_db` above the noise floor, which is the level that a fifth of the clip stays below.
    However loud the noise is, the threshold lies 20 to 35 dB below the loudest 10 ms. The word has
    20 ms on either side. A clip shorter than 10 ms is kept whole.
    """
    size = max(1, sample_rate // 100)
    frames = _frames(samples, size).astype(np.float64)
    if not len(frames):
        return 0, len(samples)
    power = np.mean(frames**2, axis=1) + 1e-20
    level = 10 * np.log10(power / power.max())
    room = np.quantile(level[level > -SILENT_DB], QUIET_SHARE)
    lowest = np.clip(room + above_noise_db, -DEEPEST_DB, -LEAST_DB)
    loud = np.flatnonzero(level >= lowest)
    runs = np.split(loud, np.flatnonzero(np.diff(loud) > LONGEST_PAUSE) + 1)
    return _around(max(runs, key=len), size, len(samples))


def _frames(samples: Samples, size: int) -> Samples:
    """Return the complete frames, (n, size)."""
    n_frames = len(samples) // size
    return samples[: n_frames * size].reshape(n_frames, size)


def _around(frames: NDArray[np.intp], size: int, n_samples: int) -> tuple[int, int]:
    """Return start and end of a word in samples, with two frames on either side."""
    return max(0, int(frames[0] - 2) * size), min(n_samples, int(frames[-1] + 3) * size)
