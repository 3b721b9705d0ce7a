"""Samples in [-1, 1] as 16-bit integers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FULL_SCALE = 32768.0


def quantize(waveform: NDArray[np.float32]) -> NDArray[np.int16]:
    """Round samples in [-1, 1] to 16 bits without a change of scale; louder samples are clipped."""
    return np.rint(waveform * FULL_SCALE).clip(-FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
