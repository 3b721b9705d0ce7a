"""Padding in a batch: the steps that belong to each clip."""

from __future__ import annotations

import torch
from torch import Tensor


def is_inside(n_steps: int, lengths: Tensor) -> Tensor:
    """Return True for the steps of each clip, (B, n_steps); `lengths` is (B,)."""
    return torch.arange(n_steps, device=lengths.device) < lengths[:, None]


def zero_beyond(values: Tensor, lengths: Tensor) -> Tensor:
    """Set values beyond `lengths` (B,) to zero, even NaN.

    Time is the last axis of waveforms (B, N), and the last but one of frames (B, T, D) and of maps
    (B, channels, T, D).
    """
    outside = ~is_inside(values.shape[1 if values.ndim == 2 else -2], lengths)  # (B, T)
    if values.ndim == 3:
        outside = outside[:, :, None]
    elif values.ndim == 4:
        outside = outside[:, None, :, None]
    return values.masked_fill(outside, 0.0)
