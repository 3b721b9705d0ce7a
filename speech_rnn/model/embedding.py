"""Google's speech embedding: a convolutional front trained on many speakers.

Lin et al., "Training keyword spotters with limited and synthesized speech data" (2020): the network
was trained to classify 5,000 words in 40 million clips of people; its last layer is left out. Few
recordings are then enough, because it has learnt about voices, rooms and microphones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from speech_rnn.model.front import Front, check_width, freeze
from speech_rnn.model.layers import MaskedBatchNorm, ceil_div
from speech_rnn.model.stream import Sliding, push_through
from speech_rnn.tensors.lengths import is_inside

N_BANDS = 32
FIELD = 76
"""Number of frames that one step depends on."""
STRIDE = 8
LOUDEST_DB = 96.0
"""Level of a clip's loudest band after normalisation: the median of digits at a usual level."""
SILENCE_DB = 50.0
"""Distance in dB of a noise in each band below that level, which masks quieter background."""
SILENCE = (LOUDEST_DB - SILENCE_DB) / 10 + 2
"""Level of that noise in the unit of the network's training."""
BEFORE = (FIELD - STRIDE) // 2
"""Number of frames before its own that a step depends on."""
LOOK_AHEAD = FIELD - STRIDE - BEFORE
"""Number of frames after its own that a step depends on."""
# Channels of the convolutions, which alternately span three frequencies and three frames (the first
# one both), and the pooling in frames and frequencies after some of them.
CHANNELS = (24,) * 3 + (48,) * 4 + (72,) * 4 + (96,) * 9
POOLING = {2: (2, 2), 6: (1, 2), 10: (2, 2), 14: (1, 2), 18: (2, 2)}


class SpeechEmbedding(Front):
    """Log-mel frames (B, T, 32) to embeddings (B, ⌈T / 8⌉, 96) of the 760 ms around each step.

    The frames are those of `conf/features/log_mel_embedding.yaml`: 32 bands from 60 to 3,800 Hz in
    dB. A clip's loudest band is normalised to a fixed level, and a noise far below that level is
    added to the clip and around it. The embeddings are batch-normalised. Weights are random until
    `load`.

    Parameters
    ----------
    n_features : width D of the frames, 32.
    n_frozen : number of the first of 20 convolutions that are not trained.
    levels_clips : whether to normalise a clip's loudest band, which needs the whole clip. Without
        it levels stay as they are, and a step is known 340 ms after its end.

    Raises
    ------
    ConfigurationError
        if the features are other ones, or there are fewer convolutions than `n_frozen`.
    """

    n_outputs = CHANNELS[-1]
    subsampling = STRIDE
    look_ahead = LOOK_AHEAD

    def __init__(
        self, n_features: int = N_BANDS, n_frozen: int = 0, levels_clips: bool = True
    ) -> None:
        super().__init__()
        self.levels_clips = levels_clips
        check_width("speech_embedding", n_features, N_BANDS, "log_mel_embedding")
        self.convolutions = nn.ModuleList()
        n_inputs = 1
        for number, channels in enumerate(CHANNELS):
            self.convolutions.append(_convolution(number, n_inputs, channels))
            n_inputs = channels
        freeze(list(self.convolutions), n_frozen)
        self.normalization = MaskedBatchNorm(self.n_outputs)

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Load the weights of a trained network: ``0.weight``, ``0.bias``, … ``19.bias``."""
        self.convolutions.load_state_dict(dict(weights))

    def embed(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Map frames (B, T, 32) in dB to embeddings (B, ⌈T / 8⌉, 96) and their lengths (B,)."""
        n_steps = -(-frames.shape[1] // STRIDE)
        maps = self._in_silence(frames, lengths, n_steps)[:, None]  # (B, 1, T', 32)
        for function, *_ in self.windows():
            maps = function(maps)
        return maps[..., 0].transpose(1, 2), ceil_div(lengths, STRIDE)

    def reasons_against_streaming(self) -> list[str]:
        """Return what requires the whole clip, with a way out."""
        if not self.levels_clips:
            return []
        return ["front='speech_embedding' levels a whole clip; train with levels_clips=False"]

    def stream(self) -> EmbeddingStream:
        """Return a stream of embeddings before normalisation; requires ``levels_clips=False``."""
        assert not self.levels_clips
        return EmbeddingStream(self)

    def windows(self) -> Iterator[tuple[Callable[[Tensor], Tensor], int, int]]:
        """Yield convolutions and poolings: the function, the frames of its window, the stride."""
        for number, convolution in enumerate(self.convolutions):
            assert isinstance(convolution, nn.Conv2d)
            is_last = number == len(CHANNELS) - 1
            function = convolution if is_last else partial(_rectified, convolution)
            yield function, convolution.kernel_size[0], 1
            if number in POOLING:
                size = POOLING[number]
                yield partial(F.max_pool2d, kernel_size=size), size[0], size[0]

    def _in_silence(self, frames: Tensor, lengths: Tensor, n_steps: int) -> Tensor:
        """Normalise the level of each clip, and surround it with silence as context."""
        outside = ~is_inside(frames.shape[1], lengths)[:, :, None]  # (B, T, 1)
        frames = frames.masked_fill(outside, -torch.inf)
        loudest = frames.amax((1, 2), keepdim=True) if self.levels_clips else LOUDEST_DB
        after = STRIDE * (n_steps - 1) + FIELD - BEFORE - frames.shape[1]
        return F.pad(_level(frames, loudest), (0, 0, BEFORE, after), value=SILENCE)


class EmbeddingStream:
    """Embeddings of frames that arrive in pieces, from `SpeechEmbedding.stream`.

    Each convolution keeps the two frames that its next output needs, and each pooling keeps the
    frames of an incomplete output.
    """

    def __init__(self, front: SpeechEmbedding) -> None:
        self._n_frames = 0
        self._no_frames: Tensor | None = None
        self._parts = [Sliding(*window) for window in front.windows()]

    def push(self, frames: Tensor | None, final: bool) -> Tensor | None:
        """Map frames (B, t, 32) in dB to the embeddings now known, (B, s, 96)."""
        frames = self._no_frames if frames is None else frames
        if frames is None:
            return None
        self._no_frames = frames[:, :0]
        before = 0 if self._n_frames else BEFORE
        self._n_frames += frames.shape[1]
        after = -self._n_frames % STRIDE + LOOK_AHEAD if final else 0
        level = F.pad(_level(frames, LOUDEST_DB), (0, 0, before, after), value=SILENCE)
        maps = push_through(self._parts, level[:, None] if level.shape[1] else None, final)
        if maps is None:
            return None
        return maps[..., 0].transpose(1, 2)  # (B, s, 96)


def _rectified(convolution: nn.Module, maps: Tensor) -> Tensor:
    return F.leaky_relu(convolution(maps), 0.2).clamp(min=-0.4)


def _level(frames: Tensor, loudest: Tensor | float) -> Tensor:
    """Map dB to the network's level: `loudest` to its usual one, and the noise far below it."""
    below = (frames - loudest) / 10  # powers of ten
    level = (10**below + 10 ** (-SILENCE_DB / 10)).log10()
    return level + LOUDEST_DB / 10 + 2


def _convolution(number: int, n_inputs: int, channels: int) -> nn.Conv2d:
    """Return a convolution over time for an even `number`, otherwise over frequency."""
    last = len(CHANNELS) - 1
    if number == 0:
        return nn.Conv2d(n_inputs, channels, (3, 3), padding=(0, 1))
    if number % 2 == 0 or number == last:
        return nn.Conv2d(n_inputs, channels, (3, 1))
    return nn.Conv2d(n_inputs, channels, (1, 3), padding=(0, 1))
