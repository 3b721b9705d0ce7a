"""Logits of a stream: any number of frames in, the batch's logits out as soon as possible."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import ceil
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from speech_rnn.errors import ConfigurationError
from speech_rnn.model.chunks import Chunks
from speech_rnn.model.layers import RecurrentLayer, State


class Part(Protocol):
    """One stage of a stream of steps."""

    def push(self, steps: Tensor | None, final: bool, /) -> Tensor | None:
        """Take the next steps, the last ones if `final`; return the results now known.

        None stands for no steps.
        """


def push_through(parts: Iterable[Part], steps: Tensor | None, final: bool) -> Tensor | None:
    """Push the next steps (None if there are none) through one part after another."""
    for part in parts:
        steps = part.push(steps, final)
    return steps


class ModelStream:
    """Logits of frames that arrive in pieces, equal to `step_logits`; see `AcousticModel.stream`.

    A step is available at most `latency_frames` after its last frame. Memory is constant: the tails
    of the convolutions, the frames of an incomplete step or chunk, the context of a front, and the
    states of the recurrent layers.

    Parameters
    ----------
    begin : function that returns the parts of a model in evaluation mode, in their initial state.
    no_frames, no_logits : (B, 0, D) and (B, 0, C), with their types and devices.
    """

    def __init__(
        self, begin: Callable[[], Sequence[Part]], no_frames: Tensor, no_logits: Tensor
    ) -> None:
        self._begin, self._no_frames, self._no_logits = begin, no_frames, no_logits
        self._parts, self._any_frames = begin(), False

    def push(self, frames: Tensor) -> Tensor:
        """Take the next frames, (B, t, D) with any t, and return the logits now known, (B, s, C).

        Raises
        ------
        ConfigurationError
            if the frames have another shape.
        """
        n_clips, _, n_features = self._no_frames.shape
        if frames.ndim != 3 or (len(frames), frames.shape[2]) != (n_clips, n_features):
            raise ConfigurationError(
                f"frames of shape={tuple(frames.shape)} must be (batch_size={n_clips}, t, "
                f"n_features={n_features})"
            )
        return self._advance(frames, final=False)

    def flush(self) -> Tensor:
        """End the clips; return the remaining logits, (B, s, C). The next push begins new ones.

        Clips without a frame count as one frame of zeros, as in a batch.
        """
        frames = self._no_frames
        if not self._any_frames:
            frames = F.pad(frames, (0, 0, 0, 1))
        logits = self._advance(frames, final=True)
        self._parts, self._any_frames = self._begin(), False
        return logits

    @torch.inference_mode()
    def _advance(self, frames: Tensor, final: bool) -> Tensor:
        self._any_frames |= frames.shape[1] > 0
        logits = push_through(self._parts, frames if frames.shape[1] else None, final)
        return self._no_logits if logits is None else logits  # (B, s, C)


class Each:
    """A function of single steps, which keeps no state."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        self._function = function

    def push(self, steps: Tensor | None, final: bool) -> Tensor | None:
        """Map the steps."""
        return None if steps is None else self._function(steps)


class Sliding:
    """A function of windows of maps, which keeps the context of the next window.

    Parameters
    ----------
    function : function from maps (B, channels, T, D) to one step per window.
    kernel, stride : number of steps of a window, and between two windows.
    padding : number of steps of zeros before the first step and after the last.
    """

    def __init__(
        self,
        function: Callable[[Tensor], Tensor],
        kernel: int,
        stride: int = 1,
        padding: tuple[int, int] = (0, 0),
    ) -> None:
        self._function, self._kernel, self._stride = function, kernel, stride
        self._before, self._after = padding
        self._kept: Tensor | None = None
        self._to_skip = 0  # steps to drop if the stride is longer than the kernel

    def push(self, maps: Tensor | None, final: bool) -> Tensor | None:
        """Map (B, channels, t, D) to (B, channels', t', D')."""
        is_first, kept = self._kept is None, _joined(self._kept, maps, axis=2)
        if kept is None:
            return None
        kept = F.pad(kept, (0, 0, self._before * is_first, self._after * final))
        skipped = min(self._to_skip, kept.shape[2])
        kept = kept[:, :, skipped:]
        n_outputs = max(0, (kept.shape[2] - self._kernel) // self._stride + 1)
        taken = n_outputs * self._stride
        self._to_skip += max(0, taken - kept.shape[2]) - skipped
        self._kept = kept[:, :, taken:].clone()
        read = kept[:, :, : taken - self._stride + self._kernel]
        return self._function(read) if n_outputs else None


class Forwards:
    """Layers in one direction, which carry their states."""

    def __init__(self, layers: list[RecurrentLayer]) -> None:
        self._layers = layers
        self._states: list[State | None] = [None] * len(layers)

    def push(self, steps: Tensor | None, final: bool) -> Tensor | None:
        """Map (B, t, D) to hidden states (B, t, H)."""
        if steps is not None:
            for number, layer in enumerate(self._layers):
                steps, self._states[number] = layer.forwards(steps, self._states[number])
        return steps


class InChunks:
    """Layers that read backwards in chunks, once the look-ahead of a chunk is available."""

    def __init__(self, chunks: Chunks) -> None:
        self._chunks = chunks
        self._kept: Tensor | None = None
        self._states: list[State] | None = None

    def push(self, steps: Tensor | None, final: bool) -> Tensor | None:
        """Map (B, t, D) to the hidden states now known, (B, s, H)."""
        chunks, kept = self._chunks, _joined(self._kept, steps)
        if kept is None:
            return None
        n_steps = kept.shape[1]
        if not final:
            n_steps = max(0, (n_steps - chunks.look_ahead) // chunks.size) * chunks.size
        self._kept = kept[:, n_steps:].clone()
        if not n_steps:
            return None
        lengths = torch.full((len(kept),), kept.shape[1], device=kept.device)
        n_chunks = ceil(n_steps / chunks.size)
        hidden, self._states = chunks.encode(kept, lengths, n_chunks, self._states)
        return hidden[:, :n_steps]  # (B, s, H)


def _joined(kept: Tensor | None, steps: Tensor | None, axis: int = 1) -> Tensor | None:
    if kept is None or steps is None:
        return steps if kept is None else kept
    return torch.cat([kept, steps], dim=axis)
