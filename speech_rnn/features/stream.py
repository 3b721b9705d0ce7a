"""Features of a stream: chunks of any size in, the batch's frames out as soon as possible."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from speech_rnn.errors import ConfigurationError
from speech_rnn.features.definitions import full_precision
from speech_rnn.features.framing import Framing


@dataclass(frozen=True)
class OverTime:
    """A function on clips' frames and lengths that depends on neighbouring frames.

    Parameters
    ----------
    function : function from (B, T, D) and (B,) to (B, T, D').
    context, lookahead : number of frames before and after each one on which it depends.
    minimum : number of frames of a clip before its first result is known.
    """

    function: Callable[[Tensor, Tensor], Tensor]
    context: int
    lookahead: int = 0
    minimum: int = 0


class FeatureStream:
    """Frames of waveforms that arrive in chunks, equal to the batch's, from `LogMel.stream`.

    A frame is available half a window after its middle, plus ``delta_window // 2`` frames for
    deltas (twice that for second ones, except with ``interp``), plus the first `min_sliding_window`
    frames at the start of ``sliding`` normalisation. Memory is constant. There is no dither and no
    gradient.

    Parameters
    ----------
    framing : positions of the windows.
    analyse : function from windows (B, t, W) to their features, each from its own window alone.
    over_time : further functions, in order.
    no_frames : (B, 0, D), with the type and device of the results.
    """

    def __init__(
        self,
        framing: Framing,
        analyse: Callable[[Tensor], Tensor],
        over_time: Sequence[OverTime],
        no_frames: Tensor,
    ) -> None:
        self._framing, self._analyse = framing, analyse
        self._over_time, self._no_frames = over_time, no_frames
        self._begin()

    def push(self, chunk: Tensor) -> Tensor:
        """Take the next samples, (B, n) with any n, and return the frames now known, (B, t, D).

        Raises
        ------
        ConfigurationError
            if the chunk is not (B, n), or its samples are not floats.
        """
        n_clips = len(self._no_frames)
        if chunk.ndim != 2 or len(chunk) != n_clips or not chunk.is_floating_point():
            raise ConfigurationError(
                f"chunk has shape {tuple(chunk.shape)} and type {chunk.dtype}; "
                f"it must be ({n_clips}, n) floats in [-1, 1]"
            )
        return self._advance(chunk, final=False)

    def flush(self) -> Tensor:
        """End the waveforms; return the remaining frames, (B, t, D). The next push begins anew."""
        frames = self._advance(self._no_frames.new_zeros(len(self._no_frames), 0), final=True)
        self._begin()
        return frames

    def _begin(self) -> None:
        self._samples: Tensor | None = None
        self._begun = 0  # index of the frame that begins with the first kept sample
        self._given = 0
        self._later = [_Delay(each) for each in self._over_time]

    @torch.no_grad()
    def _advance(self, chunk: Tensor, final: bool) -> Tensor:
        framing, hop = self._framing, self._framing.hop_length
        samples = chunk.to(self._no_frames.dtype)
        if self._samples is not None:
            samples = torch.cat([self._samples, samples], dim=1)
        total = self._begun * hop + samples.shape[1]
        ready = framing.n_frames(total) if final else framing.n_whole(total)
        frames: Tensor | None = None
        with full_precision(samples.device.type):
            if ready > self._given:
                lengths = torch.full((len(samples),), samples.shape[1], device=samples.device)
                windows = framing.cut(samples, lengths, ragged=False)
                frames = self._analyse(windows[:, self._given - self._begun : ready - self._begun])
                self._given = ready
            for delay in self._later:
                frames = delay.push(frames, final)
        # A mirrored end reaches back as far as a window.
        keep = max(self._begun, self._given - framing.win_length // hop - 3)
        self._samples = samples[:, (keep - self._begun) * hop :].clone()
        self._begun = keep
        return self._no_frames if frames is None else frames  # (B, t, D)


class _Delay:
    """The streaming form of an `OverTime`.

    The function is applied to the frames around those that are due, as if they were a clip. Results
    near the ends of that clip would be wrong and are dropped.
    """

    def __init__(self, over_time: OverTime) -> None:
        self._over_time = over_time
        self._kept: Tensor | None = None
        self._begun = 0  # index of the first kept frame
        self._given = 0

    def push(self, frames: Tensor | None, final: bool) -> Tensor | None:
        """Take the next frames (None if there are none), and return those that are now due."""
        each = self._over_time
        given = [part for part in (self._kept, frames) if part is not None]
        if not given:
            return None
        kept = torch.cat(given, dim=1)
        total = self._begun + kept.shape[1]
        ready = 0 if total < each.minimum else total - each.lookahead
        ready = total if final else max(ready, self._given)
        due = None
        if ready > self._given:
            lengths = torch.full((len(kept),), kept.shape[1], device=kept.device)
            due = each.function(kept, lengths)[:, self._given - self._begun : ready - self._begun]
            self._given = ready
        keep = max(self._begun, self._given - each.context)
        self._kept = kept[:, keep - self._begun :].clone()
        self._begun = keep
        return due
