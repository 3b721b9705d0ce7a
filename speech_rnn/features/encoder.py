"""A recurrent encoder from log-mel frames to embeddings, for batches and streams."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import log

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from speech_rnn.errors import ConfigurationError
from speech_rnn.tensors.lengths import zero_beyond

FRAMES = 4
"""Number of log-mel frames of one step."""
QUIET = 1e-5
"""Mel energy below which everything counts as silence."""
RANGE = 4.0
"""Divisor of the logarithm of the energy above silence."""
KERNELS = ((5, 2), (3, 2), (3, 1))
"""Size of each convolution in time and frequency, and its stride in time; 2 in frequency."""
REACH = 3
"""Number of steps that the projection reads: the current one and those before it."""


class RecurrentEncoder(nn.Module):
    """Log-mel frames (B, T, M) to embeddings (B, ⌈T / 4⌉, D), each with a fixed look-ahead.

    Three convolutions over time and frequency, each of which halves the frequencies and two of
    which halve the frames; a projection of three steps; GRU layers. All of them are causal. The
    embedding of a step concatenates the states of all layers `delay` steps later, with silence
    after the end of a clip. Weights are random until `load_state_dict`.

    Parameters
    ----------
    n_mels : number M of mel bands; the frames are natural logarithms of their energies.
    channels : channels of the convolutions.
    projection : size of the GRU's input.
    size : number of units of each GRU layer.
    n_layers : number of GRU layers; D is `n_layers` times `size`.
    delay : look-ahead of an embedding, in steps of four frames.
    """

    subsampling = FRAMES

    def __init__(
        self,
        n_mels: int = 40,
        channels: Sequence[int] = (24, 48, 64),
        projection: int = 128,
        size: int = 168,
        n_layers: int = 2,
        delay: int = 4,
    ) -> None:
        super().__init__()
        if len(channels) != len(KERNELS):
            raise ConfigurationError(f"channels={list(channels)!r} must be {len(KERNELS)} numbers")
        self.n_mels, self.n_outputs, self.delay = n_mels, size * n_layers, delay
        self.convolutions = nn.ModuleList()
        n_inputs, n_bands = 1, n_mels
        for (kernel, stride), n_outputs in zip(KERNELS, channels, strict=True):
            self.convolutions.append(CausalConvolution(n_inputs, n_outputs, kernel, (stride, 2)))
            n_inputs, n_bands = n_outputs, -(-n_bands // 2)
        self.projection = CausalConvolution(n_inputs, projection, (REACH, n_bands), (1, 1))
        sizes = [projection] + [size] * n_layers
        self.recurrence = nn.ModuleList(
            nn.GRU(n_in, n_out, batch_first=True) for n_in, n_out in pairwise(sizes)
        )

    @property
    def parts(self) -> list[nn.Module]:
        """The layers in order: the convolutions, the projection, the GRU layers."""
        return [*self.convolutions, self.projection, *self.recurrence]

    @property
    def look_ahead(self) -> int:
        """Number of frames after its own four that an embedding depends on."""
        return FRAMES * self.delay

    def forward(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Map natural log-mel frames (B, T, M) to embeddings (B, S, D) and their lengths (B,).

        S = ⌈T / 4⌉. Frames beyond `lengths` are ignored; embeddings beyond their lengths are
        undefined.
        """
        steps = (lengths + (FRAMES - 1)) // FRAMES
        n_steps = -(-frames.shape[1] // FRAMES)
        level = zero_beyond(above_silence(frames), lengths)
        level = F.pad(level, (0, 0, 0, FRAMES * n_steps + self.look_ahead - level.shape[1]))
        maps = level[:, None]  # (B, 1, T, M)
        for convolution in [*self.convolutions, self.projection]:
            maps = convolution(maps)
        hidden = maps[..., 0].transpose(1, 2)  # (B, S + delay, projection)
        states = []
        for layer in self.recurrence:
            hidden, _ = layer(hidden)
            states.append(hidden)
        return torch.cat(states, dim=2)[:, self.delay :], steps

    def stream(self) -> EncoderStream:
        """Return a stream over clips that advance together, whose embeddings equal the batch's."""
        return EncoderStream(self)


class CausalConvolution(nn.Conv2d):
    """A convolution over time and frequency with ReLU, causal in time.

    T frames give ⌈T / stride⌉. Frequencies are padded by half a kernel if the stride in frequency
    is not 1.
    """

    def __init__(
        self, n_inputs: int, n_outputs: int, kernel: int | tuple[int, int], stride: tuple[int, int]
    ) -> None:
        size = (kernel, kernel) if isinstance(kernel, int) else kernel
        across = size[1] // 2 if stride[1] > 1 else 0
        super().__init__(n_inputs, n_outputs, size, stride, padding=(0, across))
        self.n_before = size[0] - stride[0]

    def forward(self, maps: Tensor) -> Tensor:
        """Map (B, C, T, M) to (B, C', ⌈T / stride⌉, M'), with zeros before the first frame."""
        return self.read(F.pad(maps, (0, 0, self.n_before, 0)))

    def read(self, maps: Tensor) -> Tensor:
        """Map frames that are preceded by `n_before` frames."""
        return super().forward(maps).relu()


class EncoderStream:
    """Embeddings of frames that arrive in pieces, from `RecurrentEncoder.stream`.

    It keeps the frames of an incomplete step, the frames that each convolution reaches back to, and
    the states of the recurrent layers.
    """

    def __init__(self, encoder: RecurrentEncoder) -> None:
        self._encoder = encoder
        self._convolutions = [
            each
            for each in [*encoder.convolutions, encoder.projection]
            if isinstance(each, CausalConvolution)
        ]
        self._kept: list[Tensor | None] = [None] * len(self._convolutions)
        self._states: list[Tensor | None] = [None] * len(encoder.recurrence)
        self._frames: Tensor | None = None
        self._to_skip = encoder.delay

    def push(self, frames: Tensor | None, final: bool) -> Tensor | None:
        """Map frames (B, t, M) to the embeddings now known, (B, s, D); None means no frames."""
        level = None if frames is None else above_silence(frames)
        both = [part for part in (self._frames, level) if part is not None]
        if not both:
            return None
        level = torch.cat(both, dim=1)
        if final:
            to_fill = -level.shape[1] % FRAMES + self._encoder.look_ahead
            level = F.pad(level, (0, 0, 0, to_fill))
        n_ready = level.shape[1] // FRAMES * FRAMES
        self._frames = level[:, n_ready:]
        if not n_ready:
            return None
        hidden = self._encode(level[:, :n_ready])
        skipped = min(self._to_skip, hidden.shape[1])
        self._to_skip -= skipped
        return hidden[:, skipped:] if skipped < hidden.shape[1] else None

    def _encode(self, level: Tensor) -> Tensor:
        """Map whole steps, (B, 4 s, M), to states (B, s, D), and keep the last states."""
        maps = level[:, None]
        for number, convolution in enumerate(self._convolutions):
            kept, before = self._kept[number], convolution.n_before
            if kept is None:
                kept = maps.new_zeros(*maps.shape[:2], before, maps.shape[3])
            maps = torch.cat([kept, maps], dim=2)
            self._kept[number] = maps[:, :, maps.shape[2] - before :]
            maps = convolution.read(maps)
        hidden = maps[..., 0].transpose(1, 2)
        states = []
        for number, layer in enumerate(self._encoder.recurrence):
            hidden, self._states[number] = layer(hidden, self._states[number])
            states.append(hidden)
        return torch.cat(states, dim=2)


def above_silence(frames: Tensor) -> Tensor:
    """Map natural log-mel energies to levels: 0 is silence, 4 is a loud voice."""
    return ((frames.exp() + QUIET).log() - log(QUIET)) / RANGE
