"""Silence around the samples of clips."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def in_silence(
    waveform: ArrayLike, lengths: ArrayLike, n_silent: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return clips with silence around them, and their lengths with it.

    Parameters
    ----------
    waveform : samples of the clips, (B, N).
    lengths : number of samples of each clip, (B,); the rest is padding, which becomes silence.
    n_silent : number of silent samples before, and again after each clip.
    """
    samples, counts = np.asarray(waveform, np.float32), np.asarray(lengths, np.int64)
    is_clip = np.arange(samples.shape[1]) < counts[:, None]
    around = ((0, 0), (n_silent, n_silent))
    return np.pad(np.where(is_clip, samples, np.float32(0)), around), counts + 2 * n_silent
