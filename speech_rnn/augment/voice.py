"""Change a voice: speed, tempo, pitch, and the length of the vocal tract.

All operations on short-time spectra are continuous: no peaks are picked and no lags are selected.
Otherwise rounding errors could change a selection, and a clip would differ depending on whether it
is processed alone or in a batch.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from speech_rnn.augment.filters import fast_length
from speech_rnn.tensors.lengths import zero_beyond

WINDOW_SECONDS = 0.03
"""Window of a short-time spectrum, rounded up to a power of two: two periods of a deep voice."""

OVERLAP = 4
"""Number of windows that cover each sample."""

POLES_PER_KHZ = 1
"""Poles of linear prediction per kHz of sample rate, plus two: a formant is a pair of poles, and
there is about one per kHz of the band."""

QUIET = 1e-4
"""Power of the white noise that keeps an envelope finite, relative to a step's power (-40 dB)."""

BEND = 0.6
"""Share of the band (4.8 of 8 kHz) below which vocal tract warping is a constant factor."""

MOST_GAIN = math.log(10**1.5)
"""Limit of 30 dB on the gain of warping, so that the noise of empty bands is not amplified."""


def time_warp(
    waveform: Tensor, lengths: Tensor, *, speed: Tensor, lead: Tensor, trail: Tensor
) -> tuple[Tensor, Tensor]:
    """Play clips faster by `speed`, and add `lead` and `trail` samples of silence.

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


def stretch(
    waveform: Tensor, lengths: Tensor, sample_rate: int, tempo: Tensor
) -> tuple[Tensor, Tensor]:
    """Increase the speaking rate of clips by `tempo`; pitch and formants stay.

    A phase vocoder (Flanagan and Golden, 1966) in the form of Dolson (1986). Step k of the result
    has the magnitudes of the clip at step k * tempo, interpolated linearly, and its phases advance
    from step k - 1 as they do at that point of the clip. The power stays. With a tempo of 1 the
    clip is unchanged. (torchaudio's phase_vocoder has one tempo for all clips.)

    Parameters
    ----------
    waveform, lengths : (B, N) and (B,).
    sample_rate : sample rate in Hz.
    tempo : (B,), above 0.

    Returns
    -------
    (waveform, lengths)
        of ceil(length / tempo) samples; zero beyond.
    """
    stretched = (lengths / tempo).ceil().long().clamp(min=1)
    n_samples, n_fft = int(stretched.max()), _window_length(sample_rate)
    spectra = _analyse(waveform, lengths, n_fft)  # (B, F, T)
    position = torch.arange(_n_steps(n_samples, n_fft), device=waveform.device) * tempo[:, None]
    left = position.floor()
    # Two empty steps stand for everything after the end.
    spectra = F.pad(spectra, (0, 2))
    place = left.long().clamp(max=spectra.shape[2] - 2)[:, None].expand(-1, spectra.shape[1], -1)
    here, following = spectra.gather(2, place), spectra.gather(2, place + 1)  # (B, F, T')
    magnitude = torch.lerp(here.abs(), following.abs(), (position - left)[:, None])
    advance = (following * here.conj()).angle()
    phase = spectra[:, :, :1].angle() + advance.cumsum(dim=2) - advance
    spoken = _synthesise(torch.polar(magnitude, phase), stretched, n_samples, n_fft)
    # Phases of neighbouring bins drift apart, which costs speech 3 to 4 dB (in librosa too).
    before = zero_beyond(waveform, lengths).square().sum(dim=1) / lengths.clamp(min=1)
    after = (spoken.square().sum(dim=1) / stretched).clamp(min=torch.finfo(spoken.dtype).tiny)
    return spoken * (before / after).sqrt()[:, None], stretched


def vocal_tract_warp(waveform: Tensor, lengths: Tensor, sample_rate: int, factor: Tensor) -> Tensor:
    """Move the formants of clips (B, N) by `factor` (B,); pitch and duration stay.

    Vocal tract length perturbation (Jaitly and Hinton, 2013): frequencies are multiplied by the
    factor up to 0.6 of the band (4.8 of 8 kHz), measured after the warp if the factor is above 1,
    and from there mapped linearly so that the end of the band stays. The original method warps a
    mel filter bank. Here each short-time spectrum is multiplied by the ratio of its warped to its
    original envelope (by linear prediction), so that the result is sound and works with any
    features. A factor of 1 changes nothing.

    Beyond `lengths` the result is zero.
    """
    n_fft = _window_length(sample_rate)
    spectra = _analyse(waveform, lengths, n_fft)  # (B, F, T)
    envelope = _log_envelope(spectra, 2 + POLES_PER_KHZ * sample_rate // 1000)
    source = _before_warp(envelope.shape[1], factor)  # (B, F)
    left = source.floor()
    place = left.long()[:, :, None].expand_as(envelope)
    following = (place + 1).clamp(max=envelope.shape[1] - 1)
    weight = (source - left)[:, :, None]
    warped = torch.lerp(envelope.gather(1, place), envelope.gather(1, following), weight)
    gain = (warped - envelope).clamp(-MOST_GAIN, MOST_GAIN).exp()
    return _synthesise(spectra * gain, lengths, waveform.shape[1], n_fft)


def _before_warp(n_bins: int, factor: Tensor) -> Tensor:
    """Return the source bin of each bin after a warp by `factor` (B,), as (B, F)."""
    end = n_bins - 1
    bins = torch.arange(n_bins, device=factor.device)
    factor = factor[:, None]
    bend = BEND * end * factor.clamp(max=1.0)  # after the warp
    beyond = end - (end - bins) * (end - bend / factor) / (end - bend)
    return torch.where(bins <= bend, bins / factor, beyond).clamp(0, end)


def _log_envelope(spectra: Tensor, n_poles: int) -> Tensor:
    """Return log |1 / A| of the linear prediction of each step (B, F, T), by autocorrelation."""
    power = spectra.abs().square().transpose(1, 2)  # (B, T, F)
    lags = torch.fft.irfft(power)[..., : n_poles + 1]
    lags[..., 0] = lags[..., 0] * (1 + QUIET) + torch.finfo(lags.dtype).tiny
    lags = lags / lags[..., :1]
    steps = torch.arange(n_poles, device=spectra.device)
    toeplitz = lags[..., (steps - steps[:, None]).abs()]  # (B, T, P, P)
    predictor = torch.linalg.solve(toeplitz, lags[..., 1:])
    inverse = F.pad(-predictor, (1, 0), value=1.0)
    n_fft = 2 * (spectra.shape[1] - 1)
    return -torch.fft.rfft(inverse, n=n_fft).abs().log().transpose(1, 2)


def _window_length(sample_rate: int) -> int:
    return fast_length(round(WINDOW_SECONDS * sample_rate))


def _n_steps(n_samples: int, n_fft: int) -> int:
    """Return the number of steps with which every sample up to `n_samples` has all its windows."""
    return n_samples * OVERLAP // n_fft + OVERLAP + 1


def _analyse(waveform: Tensor, lengths: Tensor, n_fft: int) -> Tensor:
    """Return short-time spectra (B, F, T) of clips (B, N) amid silence; step 0 is sample 0."""
    hop_length, n_samples = n_fft // OVERLAP, waveform.shape[1]
    behind = (_n_steps(n_samples, n_fft) - 1) * hop_length - n_samples
    window = torch.hann_window(n_fft, device=waveform.device)
    return torch.stft(
        F.pad(zero_beyond(waveform, lengths), (0, behind)),
        n_fft,
        hop_length,
        window=window,
        pad_mode="constant",
        return_complex=True,
    )


def _synthesise(spectra: Tensor, lengths: Tensor, n_samples: int, n_fft: int) -> Tensor:
    """Return the clips (B, N) of these short-time spectra (B, F, T)."""
    window = torch.hann_window(n_fft, device=spectra.device)
    waveform = torch.istft(spectra, n_fft, n_fft // OVERLAP, window=window, length=n_samples)
    return zero_beyond(waveform, lengths)
