"""Logits of a stream: frames of any number in, the batch's logits out as soon as they are known."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from speech_rnn.errors import ConfigurationError
from speech_rnn.model.chunks import encode_in_chunks
from speech_rnn.model.layers import Convolution, RecurrentLayer, State

if TYPE_CHECKING:
    from speech_rnn.model.acoustic import AcousticModel

__all__ = ["ModelStream"]


class ModelStream:
    """Logits of frames that arrive in pieces, equal to `step_logits`, by `AcousticModel.stream`.

    A step comes out `latency_frames` after its last frame, at the latest. What is kept does not
    grow with the stream: the convolutions' tails, the frames of a step or chunk that is not yet
    full, those that a front sees around a step, and the states of the recurrent layers.

    Parameters
    ----------
    model : in evaluation mode; it must be able to stream.
    batch_size : number of clips B that advance together.
    """

    def __init__(self, model: AcousticModel, batch_size: int = 1) -> None:
        self.model = model
        self.batch_size = batch_size
        self._begin()

    def push(self, frames: Tensor) -> Tensor:
        """Take the next frames, (B, t, D) with any t, and return the logits now known, (B, s, C).

        Raises
        ------
        ConfigurationError
            for frames of another shape.
        """
        if frames.ndim != 3 or (len(frames), frames.shape[2]) != (
            self.batch_size,
            self.model.n_features,
        ):
            raise ConfigurationError(
                f"frames of shape={tuple(frames.shape)} must be (batch_size={self.batch_size}, t, "
                f"n_features={self.model.n_features})"
            )
        return self._advance(frames, final=False)

    def flush(self) -> Tensor:
        """End the clips: return the logits left, (B, s, C). The next push begins new ones.

        Clips without a frame count as one frame of zeros, as in a batch.
        """
        n_frames = 0 if self._any_frames else 1
        weight = self.model.output.weight
        frames = weight.new_zeros(self.batch_size, n_frames, self.model.n_features)
        logits = self._advance(frames, final=True)
        self._begin()
        return logits

    def _begin(self) -> None:
        model = self.model
        self._any_frames = False
        self._front = model.front.stream() if model.front is not None else None
        self._convolutions = [
            _ConvolutionStream(convolution)
            for convolution in model.convolutions
            if isinstance(convolution, Convolution)
        ]
        self._stack = _Stack(model.stack)
        self._recurrence: _Recurrence = (
            _Forwards(model.recurrence) if model.chunk is None else _Chunks(model)
        )

    @torch.inference_mode()
    def _advance(self, frames: Tensor, final: bool) -> Tensor:
        model = self.model
        self._any_frames |= frames.shape[1] > 0
        if self._front is not None:
            frames = self._front.push(frames, final)  # (B, t, 96)
        maps = frames[:, None]  # (B, 1, t, D)
        if model.normalization is not None:
            maps = model.normalization(frames.transpose(1, 2)[..., None])  # (B, D, t, 1)
            maps = maps.permute(0, 3, 2, 1)  # (B, 1, t, D)
        for convolution in self._convolutions:
            maps = convolution.push(maps, final)  # (B, channels, t, D)
        steps = maps.transpose(1, 2).flatten(2)  # (B, t, channels * D)
        steps = self._stack.push(steps, final)  # (B, s, stack * channels * D)
        return model.score(self._recurrence.push(steps, final))  # (B, s, C)


class _ConvolutionStream:
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


class _Stack:
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


class _Recurrence(Protocol):
    def push(self, steps: Tensor, final: bool) -> Tensor:
        """Map (B, t, D) to the hidden states now known, (B, s, H)."""


class _Forwards:
    """Layers in one direction that carry their states."""

    def __init__(self, layers: list[RecurrentLayer]) -> None:
        self._layers = layers
        self._states: list[State | None] = [None] * len(layers)

    def push(self, steps: Tensor, final: bool) -> Tensor:
        if not steps.shape[1]:
            return steps.new_zeros(len(steps), 0, self._layers[-1].forwards.hidden_size)
        for number, layer in enumerate(self._layers):
            steps, self._states[number] = layer.forwards(steps, self._states[number])
        return steps


class _Chunks:
    """Layers that read backwards in chunks, as soon as a chunk's look-ahead is there."""

    def __init__(self, model: AcousticModel) -> None:
        self._model = model
        self._kept: Tensor | None = None
        self._states: list[State] | None = None

    def push(self, steps: Tensor, final: bool) -> Tensor:
        model = self._model
        assert model.chunk is not None
        kept = steps if self._kept is None else torch.cat([self._kept, steps], dim=1)
        n_steps = kept.shape[1]
        if not final:
            n_steps = max(0, (n_steps - model.look_ahead) // model.chunk) * model.chunk
        self._kept = kept[:, n_steps:].clone()
        if not n_steps:
            return steps.new_zeros(len(steps), 0, 2 * model.recurrence[-1].forwards.hidden_size)
        hidden, self._states = encode_in_chunks(
            model.recurrence,
            kept,
            torch.full((len(kept),), kept.shape[1], device=kept.device),
            model.chunk,
            model.look_ahead,
            model.dropout,
            n_chunks=ceil(n_steps / model.chunk),
            states=self._states,
        )
        return hidden[:, :n_steps]  # (B, s, H)
