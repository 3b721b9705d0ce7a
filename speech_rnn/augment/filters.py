"""Zero-phase filters: shelves, bands and peaks; and convolution with a room's response.

torchaudio's biquads shift phases, and one call has the same corner frequency for all clips. With
separate corners, 64 clips of one second take 24 ms per peak; here three peaks take 83 ms (one
thread).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from speech_rnn.tensors.lengths import zero_beyond


def shelve(
    waveform: Tensor,
    lengths: Tensor,
    sample_rate: int,
    *,
    low_db: Tensor,
    low_hz: Tensor,
    high_db: Tensor,
    high_hz: Tensor,
) -> Tensor:
    """Change the level of clips (B, N) below `low_hz` by `low_db`, above `high_hz` by `high_db`.

    Half of a change is reached at the corner frequency, nine tenths half an octave beyond. The
    filters have zero phase. Each argument is (B,); beyond `lengths` the result is zero.
    """
    octaves = _octaves(waveform, sample_rate)
    below = torch.sigmoid(4 * (low_hz.log2()[:, None] - octaves))  # (B, F)
    above = torch.sigmoid(4 * (octaves - high_hz.log2()[:, None]))
    gain = 10 ** ((low_db[:, None] * below + high_db[:, None] * above) / 20)
    return _filtered(waveform, lengths, gain)


def band_limit(
    waveform: Tensor, lengths: Tensor, sample_rate: int, low_hz: Tensor, high_hz: Tensor
) -> Tensor:
    """Limit clips (B, N) to the band from `low_hz` to `high_hz`, (B,) each.

    The filter has zero phase and the gain of sixth-order Butterworth filters: -3 dB at each end,
    36 dB per octave beyond. Beyond `lengths` the result is zero.
    """
    octaves = _octaves(waveform, sample_rate)
    below = 2 ** (12 * (low_hz.log2()[:, None] - octaves))  # (B, F)
    above = 2 ** (12 * (octaves - high_hz.log2()[:, None]))
    return _filtered(waveform, lengths, ((1 + below) * (1 + above)).rsqrt())


def equalize(
    waveform: Tensor,
    lengths: Tensor,
    sample_rate: int,
    *,
    peak_db: Tensor,
    peak_hz: Tensor,
    octaves: Tensor,
) -> Tensor:
    """Change the level of clips (B, N) by `peak_db` at `peak_hz`, with a bell for each of P peaks.

    Half of a change remains `octaves` below and above its peak; overlapping changes add up. The
    filter has zero phase. Each argument is (B, P); beyond `lengths` the result is zero.
    """
    away = (_octaves(waveform, sample_rate) - peak_hz.log2()[..., None]) / octaves[..., None]
    change_db = (peak_db[..., None] * 2 ** -away.square()).sum(dim=1)  # (B, F)
    return _filtered(waveform, lengths, 10 ** (change_db / 20))


def reverberate(waveform: Tensor, lengths: Tensor, responses: Tensor) -> Tensor:
    """Convolve clips (B, N) with impulse responses (B, K), keeping their level and length."""
    n_samples = waveform.shape[1]
    # torchaudio's fftconvolve, whose length is not a power of two, takes 82 ms for 64 clips of 1 s
    # and responses of 0.5 s; this takes 32 ms (one thread).
    n_fft = fast_length(n_samples + responses.shape[1])
    product = torch.fft.rfft(waveform, n=n_fft) * torch.fft.rfft(responses, n=n_fft)
    wet = zero_beyond(torch.fft.irfft(product, n=n_fft)[:, :n_samples], lengths)
    dry = zero_beyond(waveform, lengths)
    before, after = (clips.square().sum(dim=1, keepdim=True) for clips in (dry, wet))
    return wet * (before / after.clamp(min=torch.finfo(wet.dtype).tiny)).sqrt()


def _octaves(waveform: Tensor, sample_rate: int) -> Tensor:
    """Return the base-2 logarithms of the bin frequencies of the filters, (F,)."""
    n_fft = _room_to_ring(waveform)
    return torch.fft.rfftfreq(n_fft, 1 / sample_rate, device=waveform.device).clamp(min=1.0).log2()


def _filtered(waveform: Tensor, lengths: Tensor, gain: Tensor) -> Tensor:
    """Multiply the spectra of clips (B, N) by gains (B, F)."""
    n_fft, n_samples = _room_to_ring(waveform), waveform.shape[1]
    changed = torch.fft.irfft(torch.fft.rfft(waveform, n=n_fft) * gain, n=n_fft)[:, :n_samples]
    return zero_beyond(changed, lengths)


def _room_to_ring(waveform: Tensor) -> int:
    return fast_length(2 * waveform.shape[1])


def fast_length(n_samples: int) -> int:
    """Return the next power of two: Fourier transforms of other lengths are much slower."""
    return 2 ** math.ceil(math.log2(n_samples))
