"""Features of a stream: chunks of any size in, the batch's frames out as soon as they are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from speech_rnn.errors import ConfigurationError
from speech_rnn.features.definitions import full_precision

if TYPE_CHECKING:
    from speech_rnn.features.log_mel import LogMel


class FeatureStream:
    """Frames of waveforms that arrive in chunks, equal to the batch's; made by `LogMel.stream`.

    A frame comes out once its last sample is there: half a window after the frame's middle, plus
    ``delta_window // 2`` frames for deltas (twice that for second ones, except with ``interp``),
    plus the first `min_sliding_window` frames at the start of ``sliding`` normalisation. What is
    kept does not grow with the stream. There is no dither and no gradient.

    Parameters
    ----------
    features : the module; its parameters must allow streaming.
    batch_size : number of waveforms B that advance together.
    """

    def __init__(self, features: LogMel, batch_size: int = 1) -> None:
        self.features = features
        self.batch_size = batch_size
        self._begin()

    def push(self, chunk: Tensor) -> Tensor:
        """Take the next samples, (B, n) with any n, and return the frames now known, (B, t, D).

        Raises
        ------
        ConfigurationError
            for another shape than (B, n), and for samples that are not floats.
        """
        if chunk.ndim != 2 or len(chunk) != self.batch_size or not chunk.is_floating_point():
            raise ConfigurationError(
                f"chunk has shape {tuple(chunk.shape)} and type {chunk.dtype}; "
                f"it must be ({self.batch_size}, n) floats in [-1, 1]"
            )
        return self._advance(chunk, final=False)

    def flush(self) -> Tensor:
        """End the waveforms: return the frames left, (B, t, D). The next push begins new ones."""
        window = self.features._window
        frames = self._advance(window.new_zeros(self.batch_size, 0), final=True)
        self._begin()
        return frames

    def _begin(self) -> None:
        features = self.features
        self._samples: Tensor | None = None
        self._begun = 0  # the frame that begins with the first sample kept
        self._given = 0
        self._later: list[_Delay] = []
        if features.normalization is not None:
            sliding = features.normalization == "sliding"
            self._later.append(
                _Delay(
                    features._normalize,
                    context=features.sliding_window if sliding else 0,
                    minimum=features.min_sliding_window if sliding else 0,
                )
            )
        if features.deltas:
            half = features.delta_window // 2
            interp = features.delta_mode == "interp"
            self._later.append(
                _Delay(
                    features._add_deltas,
                    context=2 * half,
                    lookahead=half if interp else half * features.deltas,
                    minimum=2 * half + 1 if interp else 0,
                )
            )

    @torch.no_grad()
    def _advance(self, chunk: Tensor, final: bool) -> Tensor:
        features, hop = self.features, self.features.hop_length
        chunk = chunk.to(features._dtype)
        samples = chunk if self._samples is None else torch.cat([self._samples, chunk], dim=1)
        total = self._begun * hop + samples.shape[1]
        ready = features.n_frames(total) if final else features._n_whole(total)
        frames = samples.new_zeros(self.batch_size, 0, features._n_static)
        with full_precision(samples.device.type):
            if ready > self._given:
                lengths = torch.full((self.batch_size,), samples.shape[1], device=samples.device)
                windows = features._cut(samples, lengths, ragged=False)
                windows = windows[:, self._given - self._begun : ready - self._begun]
                values = features._analyse_pieces(windows)
                frames = features._static(values, lengths, ragged=False)  # (B, t, S)
                self._given = ready
            for delay in self._later:
                frames = delay.push(frames, final)
        # a mirrored end reaches as far back as a window
        keep = max(self._begun, self._given - features.win_length // hop - 3)
        self._samples = samples[:, (keep - self._begun) * hop :].clone()
        self._begun = keep
        if not frames.shape[1]:
            return samples.new_zeros(self.batch_size, 0, features.n_features)
        return frames  # (B, t, D)


class _Delay:
    """A function of frames that sees `context` frames back and `lookahead` ahead, as a stream.

    The function is given the frames around those that are due as if they were a clip. Near the
    ends of that clip its results would differ, and only the others are taken.
    """

    def __init__(
        self,
        function: Callable[[Tensor, Tensor], Tensor],
        context: int,
        lookahead: int = 0,
        minimum: int = 0,
    ) -> None:
        self._function = function
        self._context, self._lookahead, self._minimum = context, lookahead, minimum
        self._kept: Tensor | None = None
        self._begun = 0  # the frame that is the first kept
        self._given = 0

    def push(self, frames: Tensor, final: bool) -> Tensor:
        kept = frames if self._kept is None else torch.cat([self._kept, frames], dim=1)
        total = self._begun + kept.shape[1]
        ready = 0 if total < self._minimum else total - self._lookahead
        ready = total if final else max(ready, self._given)
        due = kept[:, :0]
        if ready > self._given:
            lengths = torch.full((len(kept),), kept.shape[1], device=kept.device)
            due = self._function(kept, lengths)
            due = due[:, self._given - self._begun : ready - self._begun]
            self._given = ready
        keep = max(self._begun, self._given - self._context)
        self._kept = kept[:, keep - self._begun :].clone()
        self._begun = keep
        return due
