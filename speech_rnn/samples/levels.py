"""Check the level of a sound, and describe levels that are too low or too high."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SILENCE_DB = -60.0
QUIET_DB = -36.0
"""Peak in dB of full scale below which words are missed: of 72 clips, the starter recognises 66 at
a peak of -35 dB, 50 at -40 dB, 12 at -45 dB and 1 at -50 dB."""
INTEGERS = 100.0
"""Level from which floating-point samples are taken for integers that were not scaled."""
SCALES = ((2.0**15, 16), (2.0**23, 24), (2.0**31, 32))


def amplitude(decibels: float) -> float:
    """Return the amplitude of a level in dB relative to full scale."""
    return float(10 ** (decibels / 20))


def decibels(amplitude: float) -> float | None:
    """Return an amplitude in dB relative to full scale, which is 1; None for 0."""
    return float(20 * np.log10(amplitude)) if amplitude > 0 else None


def low_level(peak: float) -> str | None:
    """Return the problem of a sound with this peak if it is too quiet, otherwise None."""
    if peak <= amplitude(SILENCE_DB):
        return f"is silent: no sample is above {SILENCE_DB:g} dB of full scale"
    if peak <= amplitude(QUIET_DB):
        return (
            f"is quiet: no sample is above {QUIET_DB:g} dB of full scale, and words may be missed; "
            "record it with more gain"
        )
    return None


def integer_scale(peak: float) -> str | None:
    """Return the problem if floating-point samples with this peak are unscaled integers."""
    if peak < INTEGERS:
        return None
    scale, bits = next((scale for scale in SCALES if peak <= scale[0]), SCALES[-1])
    return (
        f"its samples reach {peak:.0f}: they look like {bits}-bit integers stored as floating "
        f"point; divide them by {scale:.0f}"
    )


class Levels:
    """The levels of a sound that arrives in pieces.

    Attributes
    ----------
    n_samples : number of samples so far.
    n_clipped : number of those beyond full scale.
    peak : largest absolute value.
    """

    def __init__(self) -> None:
        self.n_samples = self.n_clipped = 0
        self.peak = 0.0
        self._lowest, self._highest = np.inf, -np.inf

    def take(self, samples: NDArray[np.float32]) -> None:
        """Take the next samples, (n,), finite and not yet clipped."""
        if not len(samples):
            return
        lowest, highest = float(samples.min()), float(samples.max())
        self.n_samples += len(samples)
        self._lowest, self._highest = min(self._lowest, lowest), max(self._highest, highest)
        self.peak = max(-self._lowest, self._highest)
        if lowest < -1 or highest > 1:
            self.n_clipped += int((np.abs(samples) > 1).sum())

    @property
    def swing(self) -> float:
        """Half of the range from the lowest to the highest sample, which ignores an offset."""
        return (self._highest - self._lowest) / 2 if self.n_samples else 0.0

    def problems(self) -> list[str]:
        """Return the problems of the level so far."""
        if not self.n_samples:
            return []
        if wrong := integer_scale(self.peak):
            return [wrong]
        if self.n_clipped:
            return [
                f"{self.n_clipped} samples beyond full scale were clipped; record it with less gain"
            ]
        wrong = low_level(self.swing)
        return [wrong] if wrong else []
