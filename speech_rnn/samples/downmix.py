"""Several channels become one: their mean, unless they cancel each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

AUDIBLE = 1e-6
"""Least power of a channel that is compared: -60 dB of full scale."""
CANCELLED = 1 / 30
"""Power of the mean, as a share of what one channel alone would leave in it, below which the
channels cancel each other. Of two channels, the second is then the first times -0.64 to -1.56."""
ALIKE = 0.3
"""Correlation with the mean below which a channel hears something else."""
UNRELATED = 1.1
"""The same for more than two channels, times the 1 / sqrt(n) that n channels have which share
nothing. Two channels are often far apart, and yet of one room."""
SAMPLES = 1_000
"""Samples from which channels are compared."""


class Downmix:
    """Takes the mean of channels, or one of them. Blocks of a sound go through the same one.

    Where the channels cancel each other, as those of a cable with swapped wires do, the loudest is
    taken from there on. All is measured on the sound up to there.

    Parameters
    ----------
    channel : the channel to take, counted from 0; None takes the mean.
    """

    def __init__(self, channel: int | None = None) -> None:
        self.channel = channel
        self._is_chosen = channel is not None
        self._n_samples = 0
        self._sums, self._squares, self._shared = (np.zeros(0) for _ in range(3))

    def __call__(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map samples (n, channels), or (n,), to one channel (n,)."""
        if samples.ndim == 1:
            return samples
        if samples.shape[1] == 1:
            return samples[:, 0]
        if not self._is_chosen:
            self._measure(samples)
        return samples.mean(axis=1) if self.channel is None else samples[:, self.channel]

    def _measure(self, samples: NDArray[np.float32]) -> None:
        """Add a block to the moments of the channels and their mean, and look for opposite ones."""
        values = np.column_stack([samples, samples.mean(axis=1)]).astype(np.float64)
        if not len(values) or not np.isfinite(values).all():  # whoever reads it refuses it
            return
        if not self._n_samples:
            self._sums, self._squares, self._shared = (np.zeros(values.shape[1]) for _ in range(3))
        self._n_samples += len(values)
        self._sums += values.sum(axis=0)
        self._squares += np.einsum("nc,nc->c", values, values)
        self._shared += values[:, -1] @ values
        power = self._power()
        loudest = int(power[:-1].argmax())
        alone = power[loudest] / samples.shape[1] ** 2
        if self.channel is None and self._can_compare and power[loudest] > AUDIBLE:
            self.channel = loudest if power[-1] < CANCELLED * alone else None

    @property
    def _can_compare(self) -> bool:
        return self._n_samples >= SAMPLES

    def _power(self) -> NDArray[np.float64]:
        """Return the power of each channel and of the mean, without an offset."""
        return self._squares / self._n_samples - (self._sums / self._n_samples) ** 2

    def problems(self) -> list[str]:
        """Return what is wrong with the channels up to here."""
        if self._is_chosen or not self._can_compare:
            return []
        if self.channel is not None:
            return [
                f"its channels cancel each other (opposite phase): channel {self.channel}, the "
                "loudest, is taken; --channel takes another"
            ]
        power, mean = self._power(), self._sums / self._n_samples
        shared = self._shared / self._n_samples - mean * mean[-1]
        likeness = shared / np.sqrt(np.maximum(power * power[-1], 1e-20))
        n_channels = len(mean) - 1
        least = max(ALIKE, UNRELATED / np.sqrt(n_channels)) if n_channels > 2 else ALIKE
        if np.any(likeness[:-1][power[:-1] > AUDIBLE] < least):
            return [
                f"its {n_channels} channels differ, and their mean is taken: where only one of "
                "them holds the speech, choose it by --channel, counted from 0"
            ]
        return []
