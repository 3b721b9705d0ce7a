"""The definitions of the features as pure functions.

Sizes are plain numbers; results are tensors.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor
from torch.nn import functional as F

from speech_rnn.tensors.lengths import zero_beyond

# A feature with a lower standard deviation is constant up to rounding (digital silence); dividing
# by it would amplify the rounding.
SMALLEST_DEVIATION = 1e-2


def analysis_window(name: str, length: int, periodic: bool) -> Tensor:
    """Return the window `name` of `length` samples, (W,); ``povey`` is Kaldi's Hann^0.85.

    They are torch's own, in float32: if the energy of a filter is far below that of the frame, the
    last bit of the window affects its digits (MFCCs within 3e-4 of torchaudio's Kaldi, not 8e-3).
    """
    if name == "rectangular":
        return torch.ones(length)
    if name == "povey":
        return torch.hann_window(length, periodic, dtype=torch.float32).pow(0.85)
    windows = {
        "hann": torch.hann_window,
        "hamming": torch.hamming_window,
        "blackman": torch.blackman_window,
    }
    return windows[name](length, periodic, dtype=torch.float32)


def hz_to_mel(hz: Tensor, mel_scale: str) -> Tensor:
    """Convert Hz to mel, with O'Shaughnessy's formula (HTK, Kaldi) or Slaney's Auditory Toolbox."""
    if mel_scale == "slaney":  # linear below 1 kHz, logarithmic above
        return torch.where(
            hz < 1000, 3 * hz / 200, 15 + 27 * (hz.clamp(min=1000) / 1000).log() / math.log(6.4)
        )
    return 2595 * (1 + hz / 700).log10()


def mel_to_hz(mel: Tensor, mel_scale: str) -> Tensor:
    """Convert mel to Hz, the inverse of `hz_to_mel`."""
    if mel_scale == "slaney":
        return torch.where(mel < 15, 200 * mel / 3, 1000 * 6.4 ** ((mel.clamp(min=15) - 15) / 27))
    return 700 * (10 ** (mel / 2595) - 1)


def mel_filterbank(
    n_fft: int,
    n_mels: int,
    sample_rate: int,
    fmin: float,
    fmax: float,
    mel_scale: str,
    mel_norm: str | None,
    precise: bool,
) -> Tensor:
    """Return triangular filters evenly spaced in mel, (n_fft // 2 + 1, n_mels).

    The sides of the triangles are straight in Hz, or in mel for ``mel_scale='kaldi'``.
    ``mel_norm='slaney'`` gives each filter the same area. If a narrow filter barely reaches a
    frequency, its weight there is only the rounding of its corners, in float64 if `precise`,
    otherwise in float32.
    """
    precision = torch.float64 if precise else torch.float32
    hz = torch.linspace(0, sample_rate / 2, n_fft // 2 + 1, dtype=precision)
    lowest, highest = hz_to_mel(torch.tensor([fmin, fmax], dtype=torch.float64), mel_scale).tolist()
    corners = torch.linspace(lowest, highest, n_mels + 2, dtype=precision)
    corners_hz = mel_to_hz(corners, mel_scale)
    bins = hz
    if mel_scale == "kaldi":
        bins = hz_to_mel(hz, mel_scale)
    else:
        corners = corners_hz
    left, centre, right = corners[:-2], corners[1:-1], corners[2:]
    rising = (bins[:, None] - left) / (centre - left)
    falling = (right - bins[:, None]) / (right - centre)
    filters = torch.minimum(rising, falling).clamp(min=0.0)
    if mel_norm == "slaney":
        filters = filters * 2 / (corners_hz[2:] - corners_hz[:-2])
    return filters


def dct_matrix(n_mels: int, n_mfcc: int) -> Tensor:
    """Return the orthonormal DCT-II, (n_mels, n_mfcc); Davis and Mermelstein, 1980."""
    angle = (
        math.pi
        / n_mels
        * torch.outer(
            torch.arange(n_mels, dtype=torch.float64) + 0.5,
            torch.arange(n_mfcc, dtype=torch.float64),
        )
    )
    matrix = angle.cos() * math.sqrt(2 / n_mels)
    matrix[:, 0] /= math.sqrt(2)
    return matrix


def lifter_weights(n_mfcc: int, lifter: float, offset: int) -> Tensor:
    """Return 1 + L/2 sin(pi (n + offset) / L), (n_mfcc,); ones for L = 0 (HTK Book, 5.3)."""
    if not lifter:
        return torch.ones(n_mfcc, dtype=torch.float64)
    n = torch.arange(n_mfcc, dtype=torch.float64) + offset
    return 1 + lifter / 2 * (math.pi * n / lifter).sin()


def reflect(index: Tensor, lengths: Tensor, repeat_edge: bool) -> Tensor:
    """Fold sample positions (P,) into clips of `lengths` (B, 1), repeatedly if necessary: (B, P).

    ``repeat_edge`` mirrors at the outer border of the end samples (Kaldi), otherwise at them.
    """
    period = (2 * lengths if repeat_edge else 2 * lengths - 2).clamp(min=1)
    index = index.remainder(period)
    mirrored = period - 1 - index if repeat_edge else period - index
    return torch.minimum(index, mirrored).clamp(min=0)


def normalize_utterance(frames: Tensor, lengths: Tensor, variance: bool) -> Tensor:
    """Subtract each clip's mean; with `variance` also divide by its standard deviation."""
    exact = _precise(frames)  # (B, T, D)
    count = lengths.clamp(min=1)[:, None, None]
    centred = exact - zero_beyond(exact, lengths).sum(1, keepdim=True) / count
    if variance:
        squares = zero_beyond(centred, lengths).square().sum(1, keepdim=True) / count
        centred = centred * squares.clamp(min=SMALLEST_DEVIATION**2).rsqrt()
    return centred.to(frames.dtype)


def normalize_sliding(
    frames: Tensor, lengths: Tensor, window: int, minimum: int, variance: bool
) -> Tensor:
    """Normalise by the statistics of each frame and the `window` before it (apply-cmvn-sliding).

    The first frames share the statistics of the first `minimum` frames, or of all frames of a
    shorter clip. The definition is Kaldi's.
    """
    n_steps, width = frames.shape[1:]
    exact = _precise(frames)  # (B, T, D)
    step = torch.arange(n_steps, device=frames.device)
    start = (step - window).clamp(min=0)  # (T,)
    end = torch.minimum((step + 1).clamp(min=minimum), lengths[:, None])  # (B, T)
    count = (end - start).clamp(min=1)[:, :, None]  # (B, T, 1)
    ends = end[:, :, None].expand(-1, -1, width)

    def mean(values: Tensor) -> Tensor:
        sums = F.pad(values.cumsum(1), (0, 0, 1, 0))  # (B, T + 1, D)
        return (sums.gather(1, ends) - sums[:, start]) / count

    average = mean(exact)
    centred = exact - average
    if variance:
        squares = mean(exact.square()) - average.square()
        centred = centred * squares.clamp(min=SMALLEST_DEVIATION**2).rsqrt()
    return centred.to(frames.dtype)


def add_deltas(frames: Tensor, lengths: Tensor, orders: int, width: int, mode: str) -> Tensor:
    """Append the first `orders` (0, 1 or 2) derivatives in time, (B, T, D * (1 + orders)).

    The first is the slope of the line fitted to `width` frames (HTK Book, 5.9). At a clip's ends

    - ``replicate`` repeats its end frames; the second derivative is the slope of the first, whose
      ends are repeated in turn (torchaudio)
    - ``convolve`` repeats the end frames only, and fits the second with the filter applied twice
      (Kaldi, add-deltas)
    - ``interp`` takes those of the nearest whole window; the second is that of a fitted parabola
      (librosa, Savitzky and Golay)
    """
    if not orders:
        return frames
    half = width // 2
    n = torch.arange(-half, half + 1, dtype=frames.dtype, device=frames.device)
    slope = n / n.square().sum()
    first = _correlate(frames, lengths, slope)
    if mode == "interp":
        parabola = n.square() - n.square().mean()
        second = _correlate(frames, lengths, 2 * parabola / parabola.square().sum())
        step = torch.arange(frames.shape[1], device=frames.device)
        whole = torch.minimum(step, lengths[:, None] - 1 - half).clamp(min=half)  # (B, T)
        # A clip shorter than a window has no whole one: its own middle is used.
        whole = torch.where(lengths[:, None] < width, step, whole)
        whole = whole[:, :, None].expand_as(frames)
        derivatives = [first.gather(1, whole), second.gather(1, whole)]
    elif mode == "convolve":
        twice = F.conv1d(slope[None, None], slope.flip(0)[None, None], padding=2 * half)[0, 0]
        derivatives = [first, _correlate(frames, lengths, twice)]
    else:
        derivatives = [first, _correlate(first, lengths, slope)]
    return torch.cat([frames, *derivatives[:orders]], dim=-1)  # (B, T, D * (1 + orders))


def full_precision(device_type: str) -> AbstractContextManager[None]:
    """Return a context without autocast: energies exceed the range of half precision."""
    if torch.is_autocast_enabled(device_type):
        return torch.autocast(device_type, enabled=False)
    return nullcontext()


def tracing() -> bool:
    """Return whether the call is traced: sizes are symbols then, and branches would fix them."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()


def _correlate(frames: Tensor, lengths: Tensor, kernel: Tensor) -> Tensor:
    """Correlate frames with a kernel; the end frames of a clip are repeated beyond its ends."""
    n_steps, half = frames.shape[1], len(kernel) // 2
    step = torch.arange(-half, n_steps + half, device=frames.device)
    step = torch.minimum(step, lengths[:, None] - 1).clamp(min=0)  # (B, T + 2 half)
    padded = frames.gather(1, step[:, :, None].expand(-1, -1, frames.shape[2]))
    return padded.unfold(1, len(kernel), 1) @ kernel  # (B, T, D)


def _precise(frames: Tensor) -> Tensor:
    # Sums over hours need float64, which Apple's GPUs lack.
    return frames if frames.device.type == "mps" else frames.double()
