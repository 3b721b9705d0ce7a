"""Logits of a stream: frames of any number in, the batch's logits out as soon as they are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from speech_rnn.errors import ConfigurationError
from speech_rnn.model.chunks import Chunks
from speech_rnn.model.layers import Convolution, RecurrentLayer, State

__all__ = ["ConvolutionStream", "Each", "Forwards", "InChunks", "ModelStream", "Part", "Stack"]


class Part(Protocol):
    """One thing that the steps of a stream pass."""

    def push(self, steps: Tensor, final: bool, /) -> Tensor:
        """Take the next steps, the last ones if `final`, and return what is now known."""


class ModelStream:
    """Logits of frames that arrive in pieces, equal to `step_logits`, by `AcousticModel.stream`.

    A step comes out `latency_frames` after its last frame, at the latest. What is kept does not
    grow with the stream: the convolutions' tails, the frames of a step or chunk that is not yet
    full, those that a front sees around a step, and the states of the recurrent layers.

    Parameters
    ----------
    begin : returns the parts of a model in evaluation mode, at their beginning.
    no_frames : (B, 0, D), with the type and device of the frames.
    """

    def __init__(self, begin: Callable[[], Sequence[Part]], no_frames: Tensor) -> None:
        self._begin, self._no_frames = begin, no_frames
        self._parts, self._any_frames = begin(), False

    def push(self, frames: Tensor) -> Tensor:
        """Take the next frames, (B, t, D) with any t, and return the logits now known, (B, s, C).

        Raises
        ------
        ConfigurationError
            for frames of another shape.
        """
        n_clips, _, n_features = self._no_frames.shape
        if frames.ndim != 3 or (len(frames), frames.shape[2]) != (n_clips, n_features):
            raise ConfigurationError(
                f"frames of shape={tuple(frames.shape)} must be (batch_size={n_clips}, t, "
                f"n_features={n_features})"
            )
        return self._advance(frames, final=False)

    def flush(self) -> Tensor:
        """End the clips: return the logits left, (B, s, C). The next push begins new ones.

        Clips without a frame count as one frame of zeros, as in a batch.
        """
        frames = self._no_frames
        if not self._any_frames:
            frames = F.pad(frames, (0, 0, 0, 1))
        logits = self._advance(frames, final=True)
        self._parts, self._any_frames = self._begin(), False
        return logits

    @torch.inference_mode()
    def _advance(self, steps: Tensor, final: bool) -> Tensor:
        self._any_frames |= steps.shape[1] > 0
        for part in self._parts:
            steps = part.push(steps, final)
        return steps  # (B, s, C)


class Each:
    """A function of each step alone, which keeps nothing."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        self._function = function

    def push(self, steps: Tensor, final: bool) -> Tensor:
        """Map what there is."""
        return self._function(steps)


class ConvolutionStream:
    """A convolution that keeps what its next output reaches back to."""

    def __init__(self, convolution: Convolution) -> None:
        self._convolution = convolution
        self._kept: Tensor | None = None
        self._to_skip = 0  # where the stride is longer than the kernel

    def push(self, maps: Tensor, final: bool) -> Tensor:
        """Map (B, channels, t, D) to (B, channels', t', D)."""
        convolution = self._convolution
        before, after = convolution.padding
        kernel, stride = convolution.convolution.kernel_size[0], convolution.stride
        before = before if self._kept is None else 0
        kept = F.pad(maps, (0, 0, before, after if final else 0))
        if self._kept is not None:
            kept = torch.cat([self._kept, kept], dim=2)
        skipped = min(self._to_skip, kept.shape[2])
        kept = kept[:, :, skipped:]
        n_outputs = max(0, (kept.shape[2] - kernel) // stride + 1)
        taken = n_outputs * stride
        self._to_skip += max(0, taken - kept.shape[2]) - skipped
        self._kept = kept[:, :, taken:].clone()
        if not n_outputs:
            channels = convolution.convolution.out_channels
            return maps.new_zeros(len(maps), channels, 0, maps.shape[3])
        outputs = convolution.convolution(kept[:, :, : taken - stride + kernel]).relu()
        return convolution.normalization(outputs)


class Stack:
    """Frames that wait until they are enough for a step."""

    def __init__(self, stack: int) -> None:
        self._stack = stack
        self._kept: Tensor | None = None

    def push(self, steps: Tensor, final: bool) -> Tensor:
        """Map (B, t, D) to (B, s, stack * D)."""
        if self._kept is not None:
            steps = torch.cat([self._kept, steps], dim=1)
        if final:
            steps = F.pad(steps, (0, 0, 0, -steps.shape[1] % self._stack))
        n_steps = steps.shape[1] // self._stack
        self._kept = steps[:, n_steps * self._stack :].clone()
        width = self._stack * steps.shape[2]
        return steps[:, : n_steps * self._stack].reshape(len(steps), n_steps, width)


class Forwards:
    """Layers in one direction that carry their states."""

    def __init__(self, layers: list[RecurrentLayer]) -> None:
        self._layers = layers
        self._states: list[State | None] = [None] * len(layers)

    def push(self, steps: Tensor, final: bool) -> Tensor:
        """Map (B, t, D) to hidden states (B, t, H)."""
        if not steps.shape[1]:
            return steps.new_zeros(len(steps), 0, self._layers[-1].forwards.hidden_size)
        for number, layer in enumerate(self._layers):
            steps, self._states[number] = layer.forwards(steps, self._states[number])
        return steps


class InChunks:
    """Layers that read backwards in chunks, as soon as a chunk's look-ahead is there."""

    def __init__(self, chunks: Chunks) -> None:
        self._chunks = chunks
        self._kept: Tensor | None = None
        self._states: list[State] | None = None

    def push(self, steps: Tensor, final: bool) -> Tensor:
        """Map (B, t, D) to the hidden states now known, (B, s, H)."""
        chunks = self._chunks
        kept = steps if self._kept is None else torch.cat([self._kept, steps], dim=1)
        n_steps = kept.shape[1]
        if not final:
            n_steps = max(0, (n_steps - chunks.look_ahead) // chunks.size) * chunks.size
        self._kept = kept[:, n_steps:].clone()
        if not n_steps:
            return steps.new_zeros(len(steps), 0, 2 * chunks.layers[-1].forwards.hidden_size)
        lengths = torch.full((len(kept),), kept.shape[1], device=kept.device)
        n_chunks = ceil(n_steps / chunks.size)
        hidden, self._states = chunks.encode(kept, lengths, n_chunks, self._states)
        return hidden[:, :n_steps]  # (B, s, H)
