"""Augmentation of frames: masks (SpecAugment), and mixtures of two clips (mixup)."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from speech_rnn.tensors.lengths import is_inside


def mask_spans(lengths: Tensor, size: int, longest: int, generator: Generator) -> Tensor:
    """Draw one span of 0 to `longest` positions within each length: (B, size) bool."""
    width, place = torch.rand(2, len(lengths), generator=generator, device=lengths.device)
    width = (width * (longest + 1)).floor().minimum(lengths)
    start = (place * (lengths - width + 1)).floor()
    steps = torch.arange(size, device=lengths.device)
    return (steps >= start[:, None]) & (steps < (start + width)[:, None])


def mixup(frames: Tensor, lengths: Tensor, partner: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    """Mix the frames of each clip with those of its partner (Zhang et al., 2018).

    Frames are mixed rather than waveforms, as its authors do with speech. After the logarithm and
    normalisation, two clips have exactly the weights of `share`; in a mixture of waveforms, the
    louder clip would dominate the log spectrum whatever its share. A mixture is as long as the
    longer clip; the shorter one is extended with its mean, which masks use as well.

    Parameters
    ----------
    frames, lengths : (B, T, D) and (B,).
    partner : (B,), index of the clip that each clip is mixed with.
    share : (B,) in [0, 1], weight of the clip itself; its partner gets the rest.
    """
    inside = is_inside(frames.shape[1], lengths)  # (B, T)
    filled = torch.where(inside[:, :, None], frames, frame_means(frames, lengths))
    longer = torch.maximum(lengths, lengths[partner])
    mixed = torch.lerp(filled[partner], filled, share[:, None, None])
    return mixed * (inside | inside[partner])[:, :, None], longer


def frame_means(frames: Tensor, lengths: Tensor) -> Tensor:
    """Return the mean frame of each clip, (B, 1, D); frames beyond its length are zero."""
    return frames.sum(dim=1, keepdim=True) / lengths.clamp(min=1)[:, None, None]
