"""The encoder of Whisper: a Transformer that heard 680,000 hours of people speaking.

Radford et al., "Robust speech recognition via large-scale weak supervision" (2022); the weights are
OpenAI's, under the MIT licence. Its decoder is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from speech_rnn.errors import ConfigurationError, ModelError
from speech_rnn.model.front import Front, check_width, freeze
from speech_rnn.model.layers import MaskedBatchNorm, ceil_div
from speech_rnn.tensors.lengths import is_inside

N_BANDS = 80
STRIDE = 2
HEAD = 64
"""Values of an attention head, in every size of the network."""
RANGE = 8.0
"""Powers of ten below a clip's loudest band at which all is silence."""
LOUDEST = 0.875
"""Power of ten at which a clip's loudest band is put: the median of digits at half full scale."""
BEFORE = 24
"""Frames of silence before a clip; so many or more come after it."""
WINDOW = 150
"""Frames of the shortest window that a clip and its silence fill."""
LONGEST = 3000
"""Frames of the longest one: the network knows positions of 30 seconds."""
MOST_FRAMES = LONGEST - 2 * BEFORE


class Size(NamedTuple):
    """Values of a step, and layers."""

    width: int
    n_layers: int


SIZES = {
    "whisper_tiny": Size(384, 4),
    "whisper_base": Size(512, 6),
    "whisper_small": Size(768, 12),
    "whisper_medium": Size(1024, 24),
}


class WhisperEncoder(Front):
    """Log-mel frames (B, T, 80) to embeddings (B, ⌈T / 2⌉, D), each of which hears the whole clip.

    The frames are those of `conf/features/log_mel_whisper.yaml`: 80 bands up to 8 kHz in dB. A
    clip's loudest band is put at one level, what lies 80 dB below it is silence, and silence is
    around the clip: 240 ms at least, and 1.5 s with the clip. The embeddings are batch-normalised.
    Weights are random until `load`.

    Parameters
    ----------
    n_features : D of the frames, 80.
    size : a name of `SIZES`.
    n_frozen : so many of the layers, from the first on, and the convolutions before them, are not
        trained. With all layers, the last layer normalisation is not trained either.
    levels_clips : whether a clip's loudest band is put at one level; otherwise levels stay as they
        are, as Whisper has them.

    Raises
    ------
    ConfigurationError
        for other features, and for more frozen layers than there are.
    """

    subsampling = STRIDE
    most_frames = MOST_FRAMES
    positions: Tensor

    def __init__(
        self,
        n_features: int = N_BANDS,
        size: str = "whisper_tiny",
        n_frozen: int = 0,
        levels_clips: bool = True,
    ) -> None:
        super().__init__()
        self.size, self.levels_clips = size, levels_clips
        self.n_outputs, n_layers = SIZES[size]
        check_width(size, n_features, N_BANDS, "log_mel_whisper")
        width = self.n_outputs
        self.convolutions = nn.ModuleList(
            [nn.Conv1d(N_BANDS, width, 3), nn.Conv1d(width, width, 3, stride=STRIDE)]
        )
        self.layers = nn.ModuleList([EncoderLayer(width) for _ in range(n_layers)])
        self.norm = nn.LayerNorm(width)
        self.register_buffer("positions", sinusoids(LONGEST // STRIDE, width), persistent=False)
        freeze(self._parts(), n_frozen)
        self.normalization = MaskedBatchNorm(width)

    def _parts(self) -> Sequence[nn.Module]:
        """Return the layers, the first with what comes before it, the last with what follows."""
        parts = [nn.ModuleList([layer]) for layer in self.layers]
        parts[0].append(self.convolutions)
        parts[-1].append(self.norm)
        return parts

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Take the weights that `whisper_weights.whisper` reads.

        Raises
        ------
        ModelError
            for those of another size.
        """
        own = {name for name in self.state_dict() if not name.startswith("normalization.")}
        if weights.keys() != own:
            raise ModelError(
                f"the weights do not fit front={self.size!r}; give weights of that size"
            )
        try:
            self.load_state_dict(dict(weights), strict=False)
        except RuntimeError as error:
            raise ModelError(f"the weights do not fit front={self.size!r}: {error}") from error

    def reasons_against_streaming(self) -> list[str]:
        """Return that each embedding hears the whole clip."""
        return [
            f"front={self.size!r} needs the whole clip before its first step; train with "
            "another front"
        ]

    def embed(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Map frames (B, T, 80) in dB to embeddings (B, ⌈T / 2⌉, D) and their lengths (B,).

        Raises
        ------
        ConfigurationError
            for clips longer than 29.5 s.
        """
        hidden, steps = self.hidden(frames, lengths)
        return hidden[-1], steps

    def hidden(self, frames: Tensor, lengths: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return what each layer says of the clips' steps, (B, ⌈T / 2⌉, D) each, and their lengths.

        The last is layer-normalised, and none is batch-normalised. Beyond a clip's length they are
        undefined.

        Raises
        ------
        ConfigurationError
            for clips longer than 29.5 s.
        """
        if frames.shape[1] > MOST_FRAMES:
            raise ConfigurationError(too_long(self.size, frames.shape[1] / 100))
        level, windows = self.in_silence(frames, lengths)
        first, n_steps = BEFORE // STRIDE, -(-frames.shape[1] // STRIDE)
        found = [each[:, first : first + n_steps] for each in self.encode(level, windows)]
        return found, ceil_div(lengths, STRIDE)

    def in_silence(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Map frames in dB to levels (B, W, 80) amid silence, and the windows' lengths (B,)."""
        outside = ~is_inside(frames.shape[1], lengths)[:, :, None]  # (B, T, 1)
        powers = (frames / 10).masked_fill(outside, -torch.inf)
        loudest = powers.amax((1, 2), keepdim=True)  # (B, 1, 1)
        above = (powers - loudest).clamp(min=-RANGE)
        windows = window_of(lengths)
        after = max(WINDOW, frames.shape[1] + 2 * BEFORE) - BEFORE - frames.shape[1]
        above = F.pad(above, (0, 0, BEFORE, after), value=-RANGE)  # (B, W, 80)
        return (above + (LOUDEST if self.levels_clips else loudest) + 4) / 4, windows

    def encode(self, level: Tensor, lengths: Tensor) -> list[Tensor]:
        """Map Whisper's own frames (B, T, 80) to what each layer says of them, (B, ⌈T / 2⌉, D)."""
        steps = level
        for convolution in self.convolutions:
            assert isinstance(convolution, nn.Conv1d)
            steps = steps.masked_fill(~is_inside(steps.shape[1], lengths)[:, :, None], 0.0)
            padded = F.pad(steps.transpose(1, 2), (1, 1))  # (B, D, T + 2)
            steps = F.gelu(convolution(padded)).transpose(1, 2)  # (B, T', D)
            lengths = ceil_div(lengths, convolution.stride[0])
        steps = steps + self.positions[: steps.shape[1]]
        inside = is_inside(steps.shape[1], lengths)  # (B, T)
        found = []
        for layer in self.layers:
            steps = layer(steps, inside)
            found.append(steps)
        found[-1] = self.norm(steps)
        return found


class EncoderLayer(nn.Module):
    """Self-attention and two dense layers, each after layer normalisation and added to its input.

    Parameters
    ----------
    width : values of a step.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = SelfAttention(width)
        self.dense_norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)

    def forward(self, steps: Tensor, inside: Tensor) -> Tensor:
        """Map (B, T, D) to (B, T, D); `inside` (B, T) is True where a step is no padding."""
        steps = steps + self.attention(self.attention_norm(steps), inside)
        return steps + self.narrow(F.gelu(self.widen(self.dense_norm(steps))))


class SelfAttention(nn.Module):
    """Each step weighs all steps of its clip by scaled dot products, with heads of 64 values.

    Parameters
    ----------
    width : values of a step, a multiple of 64.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.n_heads = width // HEAD
        self.project = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)

    def forward(self, steps: Tensor, inside: Tensor) -> Tensor:
        """Map (B, T, D) to (B, T, D); `inside` (B, T) is True where a step is no padding."""
        heads = self.project(steps).unflatten(2, (3, self.n_heads, HEAD))  # (B, T, 3, heads, 64)
        queries, keys, values = heads.permute(2, 0, 3, 1, 4)  # (B, heads, T, 64) each
        mask = inside[:, None, None]  # (B, 1, 1, T)
        heard = F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
        return self.output(heard.transpose(1, 2).flatten(2))


def window_of(lengths: Tensor) -> Tensor:
    """Return the frames of the windows that clips of `lengths` frames lie in, (B,)."""
    return (lengths + 2 * BEFORE).clamp(min=WINDOW)


def sinusoids(n_steps: int, width: int) -> Tensor:
    """Return what tells the network where a step lies, (n_steps, width).

    Sines and then cosines of wavelengths from 2π to 20,000π steps (Vaswani et al., 2017), rounded
    to float16 as the published files have them.
    """
    half = width // 2
    # on the CPU even where a model without memory is built: torch.device("meta")
    rates = torch.logspace(0, -4, half, dtype=torch.float64, device="cpu")
    steps = torch.arange(n_steps, dtype=torch.float64, device="cpu")
    angles = steps[:, None] * rates  # (n_steps, width / 2)
    return torch.cat([angles.sin(), angles.cos()], dim=1).half().float()


def too_long(name: str, seconds: float) -> str:
    """Return the message about a clip that the network has no positions for."""
    return (
        f"a clip of {seconds:.1f} s is longer than front={name!r} takes at once, "
        f"{MOST_FRAMES / 100:g} s; cut it into shorter ones"
    )
