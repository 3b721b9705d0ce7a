"""The encoder of Whisper: a Transformer that was trained on 680,000 hours of speech.

Radford et al., "Robust speech recognition via large-scale weak supervision" (2022). The weights are
OpenAI's, under the MIT licence. The decoder is left out.
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
"""Width of an attention head, in every size of the network."""
RANGE = 8.0
"""Range below a clip's loudest band in powers of ten; everything below is silence."""
LOUDEST = 0.875
"""Level of a clip's loudest band in powers of ten: the median of digits at half full scale."""
BEFORE = 24
"""Number of frames of silence before a clip; at least as many follow it."""
WINDOW = 150
"""Shortest window of a clip with its silence, in frames."""
LONGEST = 3000
"""Longest window in frames: the network has positions for 30 seconds."""
MOST_FRAMES = LONGEST - 2 * BEFORE


class Size(NamedTuple):
    """Width of a step, and number of layers."""

    width: int
    n_layers: int


SIZES = {
    "whisper_tiny": Size(384, 4),
    "whisper_base": Size(512, 6),
    "whisper_small": Size(768, 12),
    "whisper_medium": Size(1024, 24),
}


class WhisperEncoder(Front):
    """Log-mel frames (B, T, 80) to embeddings (B, ⌈T / 2⌉, D); each depends on the whole clip.

    The frames are those of `conf/features/log_mel_whisper.yaml`: 80 bands up to 8 kHz in dB. A
    clip's loudest band is normalised to a fixed level; 80 dB below it is silence, which surrounds
    the clip: 240 ms at least, and at least 1.5 s in total with the clip. The embeddings are
    batch-normalised. Weights are random until `load`.

    Parameters
    ----------
    n_features : width D of the frames, 80.
    size : a name of `SIZES`.
    n_frozen : number of the first layers that are not trained, with the convolutions before them;
        if it is all layers, the last layer normalisation is not trained either.
    levels_clips : whether to normalise a clip's loudest band; otherwise levels are as in Whisper
        itself.

    Raises
    ------
    ConfigurationError
        if the features are other ones, or there are fewer layers than `n_frozen`.
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
        """Return the layers; the first and the last include what precedes and follows them."""
        parts = [nn.ModuleList([layer]) for layer in self.layers]
        parts[0].append(self.convolutions)
        parts[-1].append(self.norm)
        return parts

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Load weights that `whisper_weights.whisper` has read.

        Raises
        ------
        ModelError
            if they are of another size.
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
        """Return that each embedding depends on the whole clip."""
        return [
            f"front={self.size!r} needs the whole clip before its first step; train with "
            "another front"
        ]

    def embed(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Map frames (B, T, 80) in dB to embeddings (B, ⌈T / 2⌉, D) and their lengths (B,).

        Raises
        ------
        ConfigurationError
            if a clip is longer than 29.5 s.
        """
        hidden, steps = self.hidden(frames, lengths)
        return hidden[-1], steps

    def hidden(self, frames: Tensor, lengths: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return the outputs of each layer, (B, ⌈T / 2⌉, D) each, and their lengths.

        The last output is layer-normalised; none is batch-normalised. They are undefined beyond a
        clip's length.

        Raises
        ------
        ConfigurationError
            if a clip is longer than 29.5 s.
        """
        if frames.shape[1] > MOST_FRAMES:
            raise ConfigurationError(too_long(self.size, frames.shape[1] / 100))
        level, windows = self.in_silence(frames, lengths)
        first, n_steps = BEFORE // STRIDE, -(-frames.shape[1] // STRIDE)
        found = [each[:, first : first + n_steps] for each in self.encode(level, windows)]
        return found, ceil_div(lengths, STRIDE)

    def in_silence(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return levels (B, W, 80) amid silence for frames in dB, and the windows' lengths (B,)."""
        outside = ~is_inside(frames.shape[1], lengths)[:, :, None]  # (B, T, 1)
        powers = (frames / 10).masked_fill(outside, -torch.inf)
        loudest = powers.amax((1, 2), keepdim=True)  # (B, 1, 1)
        above = (powers - loudest).clamp(min=-RANGE)
        windows = window_of(lengths)
        after = max(WINDOW, frames.shape[1] + 2 * BEFORE) - BEFORE - frames.shape[1]
        above = F.pad(above, (0, 0, BEFORE, after), value=-RANGE)  # (B, W, 80)
        return (above + (LOUDEST if self.levels_clips else loudest) + 4) / 4, windows

    def encode(self, level: Tensor, lengths: Tensor) -> list[Tensor]:
        """Map Whisper's own frames (B, T, 80) to the outputs of each layer, (B, ⌈T / 2⌉, D)."""
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
    """Self-attention and two dense layers, each with layer normalisation and a residual sum.

    Parameters
    ----------
    width : width of a step.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = SelfAttention(width)
        self.dense_norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)

    def forward(self, steps: Tensor, inside: Tensor) -> Tensor:
        """Map (B, T, D) to (B, T, D); `inside` (B, T) is False for padding."""
        steps = steps + self.attention(self.attention_norm(steps), inside)
        return steps + self.narrow(F.gelu(self.widen(self.dense_norm(steps))))


class SelfAttention(nn.Module):
    """Scaled dot-product attention over all steps of a clip, with heads of 64 values.

    Parameters
    ----------
    width : width of a step, a multiple of 64.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.n_heads = width // HEAD
        self.project = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)

    def forward(self, steps: Tensor, inside: Tensor) -> Tensor:
        """Map (B, T, D) to (B, T, D); `inside` (B, T) is False for padding."""
        heads = self.project(steps).unflatten(2, (3, self.n_heads, HEAD))  # (B, T, 3, heads, 64)
        queries, keys, values = heads.permute(2, 0, 3, 1, 4)  # (B, heads, T, 64) each
        mask = inside[:, None, None]  # (B, 1, 1, T)
        attended = F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
        return self.output(attended.transpose(1, 2).flatten(2))


def window_of(lengths: Tensor) -> Tensor:
    """Return the window lengths in frames for clips of `lengths` frames, (B,)."""
    return (lengths + 2 * BEFORE).clamp(min=WINDOW)


def sinusoids(n_steps: int, width: int) -> Tensor:
    """Return the positional encodings, (n_steps, width).

    Sines and then cosines of wavelengths from 2π to 20,000π steps (Vaswani et al., 2017), rounded
    to float16 as the published files have them.
    """
    half = width // 2
    # On the CPU, even if a model is built without memory: torch.device("meta").
    rates = torch.logspace(0, -4, half, dtype=torch.float64, device="cpu")
    steps = torch.arange(n_steps, dtype=torch.float64, device="cpu")
    angles = steps[:, None] * rates  # (n_steps, width / 2)
    return torch.cat([angles.sin(), angles.cos()], dim=1).half().float()


def too_long(name: str, seconds: float) -> str:
    """Return the message about a clip for which the network has no positions."""
    return (
        f"a clip of {seconds:.1f} s is longer than front={name!r} takes at once, "
        f"{MOST_FRAMES / 100:g} s; cut it into shorter ones"
    )
