"""Coloured noise, stored noise by kind, and mixing at an exact SNR."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn

from speech_rnn.audio.signal import noise_gain
from speech_rnn.augment.filters import fast_length
from speech_rnn.tensors.lengths import zero_beyond

SILENT = 1e-20
"""A lower bound of energy, far below that of a single 16-bit sample of 1 (1e-9)."""


def coloured_noise(shape: Sequence[int], tilt: Tensor, generator: Generator) -> Tensor:
    """Return Gaussian noise (B, N) with a power of f^-tilt: 0 is white, 1 pink, 2 brown."""
    size = fast_length(shape[1])
    white = torch.randn(shape[0], size, generator=generator, device=tilt.device)
    spectrum = torch.fft.rfft(white)
    bins = torch.arange(spectrum.shape[1], device=tilt.device).clamp(min=1)
    return torch.fft.irfft(spectrum * bins ** (-tilt[:, None] / 2), n=size)[:, : shape[1]]  # (B, N)


class NoiseKinds(nn.Module):
    """Stored noise by kind on the model's device; each clip gets a stretch of one kind.

    A kind has noise for clips of side 0 and for clips of side 1; see `NoiseKinds.set`.
    """

    samples: Tensor
    starts: Tensor
    lengths: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("samples", torch.zeros(0), persistent=False)
        self.shortest = 0
        for name in ("starts", "lengths"):
            self.register_buffer(name, torch.zeros(0, 2, dtype=torch.int64), persistent=False)

    def __len__(self) -> int:
        return len(self.starts)

    def set(self, kinds: Mapping[str, Sequence[NDArray[np.float32]]]) -> None:
        """Set the noise (N,) of both sides of each kind; noise for both sides is stored once."""
        stretches = {id(one): one for sides in kinds.values() for one in sides}
        sizes = [len(one) for one in stretches.values()]
        self.shortest = min(sizes)
        starts = dict(zip(stretches, np.cumsum([0, *sizes]).tolist(), strict=False))
        device = self.samples.device
        self.samples = torch.from_numpy(np.concatenate([*stretches.values()])).to(device)
        table = [[(starts[id(one)], len(one)) for one in sides] for sides in kinds.values()]
        self.starts, self.lengths = torch.tensor(table, device=device).unbind(dim=2)  # (K, 2)

    def forward(self, n_samples: int, kind: Tensor, place: Tensor, side: Tensor) -> Tensor:
        """Return a stretch for each clip, (B, n_samples); noise that is too short is repeated.

        Parameters
        ----------
        kind, place : (B,) in [0, 1): the kind, and the position in its noise where to start.
        side : (B,), 0 or 1.
        """
        row = (kind * len(self)).long()
        start, length = self.starts[row, side], self.lengths[row, side]
        if n_samples <= self.shortest:  # a fast path, in a third of the time
            start = start + (place * (length - n_samples)).long()
            return self.samples.unfold(0, n_samples, 1)[start]
        steps = torch.arange(n_samples, device=self.samples.device)
        within = ((place * length).long()[:, None] + steps) % length[:, None]
        return self.samples[start[:, None] + within]


def mix(waveform: Tensor, noise: Tensor, lengths: Tensor, snr_db: Tensor) -> Tensor:
    """Add noise (B, N) to clips (B, N) at an SNR of exactly `snr_db` (B,).

    Power is the mean square over a clip's own samples. Beyond them the result is zero.
    """
    noise = zero_beyond(noise, lengths)
    signal = zero_beyond(waveform, lengths)
    # Noise may be silent for a whole clip, where torchaudio's add_noise would give NaN.
    noise_energy = noise.square().sum(dim=1).clamp(min=SILENT)
    gain = noise_gain(signal.square().sum(dim=1), noise_energy, snr_db)
    return signal + gain[:, None] * noise
