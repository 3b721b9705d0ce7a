"""Find where the spectrum of a sound ends: telephones and slow codecs cut the high frequencies."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

WINDOW_SECONDS = 0.032
BAND_HZ = 125.0
"""Width of the bands in which the power is averaged."""
BELOW_HZ = (750.0, 125.0)
"""The level below an edge is averaged from so far to so close to it."""
ABOVE_HZ = 375.0
"""The level above an edge counts from here on: filters need some room to fall."""
LEAST_EDGE_DB = 25.0
"""Fall of the level that is the end of the spectrum. Speech alone falls less within 500 Hz."""
SILENCE_DB = -110.0
"""Level of a band in dB below which it holds the rounding of 16 bits, or nothing."""
MOST_FRAMES = 4_096
"""Windows transformed at once, which bounds the memory."""


def bandwidth(waveform: NDArray[np.float32], sample_rate: int) -> float | None:
    """Return the frequency in Hz at which the spectrum of a waveform (N,) ends; None in silence.

    The highest power of each band over all windows (Hann, 32 ms) is compared below and above each
    frequency. Where it falls by `LEAST_EDGE_DB` and rises no more, the spectrum ends; otherwise it
    ends at half of the sample rate.
    """
    levels, width = _levels(waveform, sample_rate)  # (K,) in dB
    if levels.max() < SILENCE_DB:
        return None
    first, last = (round(hz / width) for hz in BELOW_HZ)
    above = round(ABOVE_HZ / width)
    highest = np.maximum.accumulate(levels[::-1])[::-1]  # of each band and those above
    best, middle = 0.0, -np.inf
    for edge in range(first, len(levels) - above):
        below = levels[edge - first : edge - last].mean()
        fall = below - highest[edge + above]
        if fall > best:
            best, middle = fall, below - fall / 2
    if best < LEAST_EDGE_DB:
        return sample_rate / 2
    return float((np.flatnonzero(levels >= middle)[-1] + 1) * width)


def _levels(waveform: NDArray[np.float32], sample_rate: int) -> tuple[NDArray[np.float64], float]:
    """Return the highest power of each band over all windows, in dB, and the bands' width in Hz."""
    size = round(WINDOW_SECONDS * sample_rate)
    samples = np.pad(waveform, (0, max(0, size - len(waveform)))).astype(np.float64)
    frames = sliding_window_view(samples - samples.mean(), size)[:: size // 2]
    window = np.hanning(size)
    per_band = max(1, round(BAND_HZ * size / sample_rate))
    n_bands = (size // 2) // per_band
    highest = np.zeros(n_bands)
    for start in range(0, len(frames), MOST_FRAMES):
        power = np.abs(np.fft.rfft(frames[start : start + MOST_FRAMES] * window, axis=1)) ** 2
        bands = power[:, : n_bands * per_band].reshape(len(power), n_bands, per_band).mean(axis=2)
        highest = np.maximum(highest, bands.max(axis=0))
    levels = 10 * np.log10(highest / (window**2).sum() + 1e-15)
    return levels, per_band * sample_rate / size
