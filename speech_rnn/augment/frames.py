"""What happens to frames: masks (SpecAugment), and two clips in one (mixup)."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from speech_rnn.tensors.lengths import is_inside


def mask_spans(lengths: Tensor, size: int, longest: int, generator: Generator) -> Tensor:
    """Draw one span of 0 to `longest` places within each length: (B, size) bool."""
    width, place = torch.rand(2, len(lengths), generator=generator, device=lengths.device)
    width = (width * (longest + 1)).floor().minimum(lengths)
    start = (place * (lengths - width + 1)).floor()
    steps = torch.arange(size, device=lengths.device)
    return (steps >= start[:, None]) & (steps < (start + width)[:, None])


def mixup(frames: Tensor, lengths: Tensor, partner: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    """Mix the frames of each clip with those of its partner (Zhang et al., 2018).

    Frames are mixed, not waveforms, as its authors do with speech: after the logarithm and the
    normalisation two clips weigh what `share` says. In a mixture of waveforms the louder one would
    be all that the logarithm leaves, whatever its share, and normalisation would hide the rest.
    A mixture is as long as the longer clip; beyond the end of the shorter, its mean goes on, which
    is also what masks leave.

    Parameters
    ----------
    frames, lengths : (B, T, D) and (B,).
    partner : (B,), the place of the clip that each is mixed with.
    share : (B,) in [0, 1], of the clip itself; its partner has the rest.
    """
    inside = is_inside(frames.shape[1], lengths)  # (B, T)
    filled = torch.where(inside[:, :, None], frames, frame_means(frames, lengths))
    longer = torch.maximum(lengths, lengths[partner])
    mixed = torch.lerp(filled[partner], filled, share[:, None, None])
    return mixed * (inside | inside[partner])[:, :, None], longer


def frame_means(frames: Tensor, lengths: Tensor) -> Tensor:
    """Return the mean frame of each clip, (B, 1, D); the frames beyond its length are zero."""
    return frames.sum(dim=1, keepdim=True) / lengths.clamp(min=1)[:, None, None]
