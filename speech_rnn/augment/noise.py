"""Noise of any colour, and how it is mixed in."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from speech_rnn.audio.signal import noise_gain
from speech_rnn.augment.filters import fast_length
from speech_rnn.tensors.lengths import zero_beyond

SILENT = 1e-20
"""An energy far below that of one sample of one bit in 16, 1e-9."""


def coloured_noise(shape: Sequence[int], tilt: Tensor, generator: Generator) -> Tensor:
    """Gaussian noise (B, N) whose power falls with f^-tilt: 0 is white, 1 pink, 2 brown."""
    size = fast_length(shape[1])
    white = torch.randn(shape[0], size, generator=generator, device=tilt.device)
    spectrum = torch.fft.rfft(white)
    bins = torch.arange(spectrum.shape[1], device=tilt.device).clamp(min=1)
    return torch.fft.irfft(spectrum * bins ** (-tilt[:, None] / 2), n=size)[:, : shape[1]]  # (B, N)


def mix(waveform: Tensor, noise: Tensor, lengths: Tensor, snr_db: Tensor) -> Tensor:
    """Add noise (B, N) to clips (B, N) so that their powers differ by `snr_db` (B,) exactly.

    Power is the mean square over a clip's own samples. Beyond them the result is zero.
    """
    noise = zero_beyond(noise, lengths)
    signal = zero_beyond(waveform, lengths)
    # a recording may be silent for as long as a clip, where torchaudio's add_noise gives NaN
    noise_energy = noise.square().sum(dim=1).clamp(min=SILENT)
    gain = noise_gain(signal.square().sum(dim=1), noise_energy, snr_db)
    return signal + gain[:, None] * noise
