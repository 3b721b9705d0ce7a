"""Another voice: speed, and the silence around it."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["time_warp"]


def time_warp(
    waveform: Tensor, lengths: Tensor, *, speed: Tensor, lead: Tensor, trail: Tensor
) -> tuple[Tensor, Tensor]:
    """Play clips faster by `speed`, put `lead` and `trail` samples of silence around them.

    Sample t of the result is the clip at (t - lead) * speed, interpolated linearly, zero outside.

    Parameters
    ----------
    waveform, lengths : (B, N) and (B,).
    speed, lead, trail : (B,); a negative lead or trail cuts, but never the whole clip.
    """
    warped = ((lengths / speed).ceil() + lead + trail).long().clamp(min=1)
    steps = torch.arange(int(warped.max()), device=waveform.device)
    position = (steps - lead[:, None]) * speed[:, None]  # (B, N')
    left = position.floor()
    inside = (left >= 0) & (left < lengths[:, None]) & (steps < warped[:, None])
    index = left.long().clamp(0, waveform.shape[1] - 1)
    following = (index + 1).clamp(max=waveform.shape[1] - 1)
    here = waveform.gather(1, index)
    there = waveform.gather(1, following) * (index + 1 < lengths[:, None])
    return torch.where(inside, torch.lerp(here, there, position - left), 0.0), warped
