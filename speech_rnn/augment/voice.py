"""Another voice, or the same in another hurry: speed, tempo, pitch, the length of the vocal tract.

What is done to short-time spectra here is continuous in them, without peaks that are picked or
lags that are chosen: where a rounding error tips a choice, a clip alone and the same clip in a
batch would part ways.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from speech_rnn.augment.filters import fast_length
from speech_rnn.tensors.lengths import zero_beyond

WINDOW_SECONDS = 0.03
"""Of a short-time spectrum: two periods of a deep voice; the next power of two is taken."""

OVERLAP = 4
"""Windows over each sample."""

POLES_PER_KHZ = 1
"""Of sample rate, and two more: a formant is two poles, and each kHz of the band has one."""

QUIET = 1e-4
"""Power, as a share of a step's, of the white noise that keeps an envelope finite (-40 dB)."""

BEND = 0.6
"""Share of the band, 4.8 of 8 kHz, up to which a vocal tract's warp is a plain factor."""

MOST_GAIN = math.log(10**1.5)
"""30 dB: where a recording has nothing, warping its envelope must not make a roar of it."""


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


def stretch(
    waveform: Tensor, lengths: Tensor, sample_rate: int, tempo: Tensor
) -> tuple[Tensor, Tensor]:
    """Speak clips faster by `tempo`; pitch and formants stay.

    A phase vocoder (Flanagan and Golden, 1966) in the form of Dolson (1986): step k of the result
    has the magnitudes of the clip at step k * tempo, between two of its steps interpolated
    linearly, and its phases go on from step k - 1 as they do there. Its power stays. With a tempo
    of 1 the clip comes out as it was. (torchaudio's phase_vocoder has one tempo for all clips.)

    Parameters
    ----------
    waveform, lengths : (B, N) and (B,).
    sample_rate : in Hz.
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
    # Two steps of nothing stand for all that would follow.
    spectra = F.pad(spectra, (0, 2))
    place = left.long().clamp(max=spectra.shape[2] - 2)[:, None].expand(-1, spectra.shape[1], -1)
    here, following = spectra.gather(2, place), spectra.gather(2, place + 1)  # (B, F, T')
    magnitude = torch.lerp(here.abs(), following.abs(), (position - left)[:, None])
    advance = (following * here.conj()).angle()
    phase = spectra[:, :, :1].angle() + advance.cumsum(dim=2) - advance
    spoken = _synthesise(torch.polar(magnitude, phase), stretched, n_samples, n_fft)
    # Phases of neighbouring bins drift apart, which costs speech 3 to 4 dB (librosa's as well).
    before = zero_beyond(waveform, lengths).square().sum(dim=1) / lengths.clamp(min=1)
    after = (spoken.square().sum(dim=1) / stretched).clamp(min=torch.finfo(spoken.dtype).tiny)
    return spoken * (before / after).sqrt()[:, None], stretched


def vocal_tract_warp(waveform: Tensor, lengths: Tensor, sample_rate: int, factor: Tensor) -> Tensor:
    """Move the formants of clips (B, N) by `factor` (B,); pitch and duration stay.

    Vocal tract length perturbation (Jaitly and Hinton, 2013): formants move by the factor up to
    0.6 of the band (4.8 kHz of 8), or to 0.6 of the band where it is above 1, and from there along
    a straight line that leaves the band's end where it is. Their warp bends a mel filter bank; here
    each short-time spectrum gets the gain between its envelope, that of linear prediction, and the
    warped one, so that the result is sound, whatever features hear it. A factor of 1 changes
    nothing.

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
    """Return the bin that a warp by `factor` (B,) moves to each bin, (B, F)."""
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
    """Return how many steps reach behind `n_samples`: every sample has all its windows."""
    return n_samples * OVERLAP // n_fft + OVERLAP + 1


def _analyse(waveform: Tensor, lengths: Tensor, n_fft: int) -> Tensor:
    """Return the short-time spectra (B, F, T) of clips (B, N) in silence; step 0 is sample 0."""
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
    """Return the clips (B, N) of short-time spectra (B, F, T)."""
    window = torch.hann_window(n_fft, device=spectra.device)
    waveform = torch.istft(spectra, n_fft, n_fft // OVERLAP, window=window, length=n_samples)
    return zero_beyond(waveform, lengths)
