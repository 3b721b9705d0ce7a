"""Mix several channels down to their mean, unless they cancel each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

AUDIBLE = 1e-6
"""Lowest power of a channel that is compared: -60 dB relative to full scale."""
CANCELLED = 1 / 30
"""Channels cancel each other if the power of their mean, relative to what one channel alone would
contribute, is below this. For two channels, the second is the first times -0.64 to -1.56."""
ALIKE = 0.3
"""Correlation with the mean below which a channel carries another signal."""
UNRELATED = 1.1
"""The same for more than two channels, times 1 / sqrt(n), which n unrelated channels have. Two
channels often differ much, although they were recorded in one room."""
SAMPLES = 1_000
"""Number of samples after which channels are compared."""


class Downmix:
    """Takes the mean of channels, or one of them; one object is used for all blocks of a sound.

    If the channels cancel each other, for example because a cable has swapped wires, the loudest
    channel is used from then on. The decision depends only on the sound so far.

    Parameters
    ----------
    channel : index of the channel to take, from 0; None takes the mean.
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
        """Add a block to the moments of channels and mean, and check for cancellation."""
        values = np.column_stack([samples, samples.mean(axis=1)]).astype(np.float64)
        if not len(values) or not np.isfinite(values).all():  # the reader raises an error for it
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
        """Return the power of each channel and of the mean, without DC offset."""
        return self._squares / self._n_samples - (self._sums / self._n_samples) ** 2

    def problems(self) -> list[str]:
        """Return the problems of the channels so far."""
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
