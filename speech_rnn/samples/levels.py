"""The level of a sound, and what is said of one that is too low or too high to be recognised."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SILENCE_DB = -60.0
QUIET_DB = -36.0
"""Peak in dB of full scale below which words are missed: of 72 clips, the starter recognises 66 at
a peak of -35 dB, 50 at -40 dB, 12 at -45 dB and 1 at -50 dB."""
INTEGERS = 100.0
"""Level from which floating point is no loud sound, but integers that were not divided."""
SCALES = ((2.0**15, 16), (2.0**23, 24), (2.0**31, 32))


def amplitude(decibels: float) -> float:
    """Return the amplitude of a level in dB of full scale."""
    return float(10 ** (decibels / 20))


def low_level(peak: float) -> str | None:
    """Return what is wrong with a sound whose samples reach a peak, if it is too quiet."""
    if peak <= amplitude(SILENCE_DB):
        return f"is silent: no sample is above {SILENCE_DB:g} dB of full scale"
    if peak <= amplitude(QUIET_DB):
        return (
            f"is quiet: no sample is above {QUIET_DB:g} dB of full scale, and words may be missed; "
            "record it with more gain"
        )
    return None


def integer_scale(peak: float) -> str | None:
    """Return what is wrong with floating point that reaches a peak, if it is in integers' scale."""
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
    n_samples : taken so far.
    n_clipped : number of these that lie beyond full scale.
    peak : the largest absolute sample.
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
        """Half of what lies between the lowest and the highest sample: no offset counts."""
        return (self._highest - self._lowest) / 2 if self.n_samples else 0.0

    def problems(self) -> list[str]:
        """Return what is wrong with the level up to here."""
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
