"""What happens to frames: masks (SpecAugment)."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

__all__ = ["frame_means", "mask_spans"]


def mask_spans(lengths: Tensor, size: int, longest: int, generator: Generator) -> Tensor:
    """Draw one span of 0 to `longest` places within each length: (B, size) bool."""
    width, place = torch.rand(2, len(lengths), generator=generator, device=lengths.device)
    width = (width * (longest + 1)).floor().minimum(lengths)
    start = (place * (lengths - width + 1)).floor()
    steps = torch.arange(size, device=lengths.device)
    return (steps >= start[:, None]) & (steps < (start + width)[:, None])


def frame_means(frames: Tensor, lengths: Tensor) -> Tensor:
    """Return the mean frame of each clip, (B, 1, D); the frames beyond its length are zero."""
    return frames.sum(dim=1, keepdim=True) / lengths.clamp(min=1)[:, None, None]
