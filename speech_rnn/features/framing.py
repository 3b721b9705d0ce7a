"""Number, positions and samples of the windows of a clip."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from speech_rnn.features.definitions import reflect, tracing
from speech_rnn.tensors.lengths import zero_beyond


@dataclass(frozen=True)
class Framing:
    """The windows of a clip, one every `hop_length` samples.

    Parameters
    ----------
    framing, pad_mode, win_length, hop_length, n_fft : as in `LogMel`.
    width : number of samples W that are cut per window, `win_length` or more.
    """

    framing: str
    pad_mode: str
    win_length: int
    hop_length: int
    n_fft: int
    width: int

    @property
    def offset(self) -> int:
        """Position of the first sample of the first window."""
        if self.framing == "center":  # the window is in the middle of n_fft samples
            return (self.n_fft - self.win_length) // 2 - self.n_fft // 2
        return self.hop_length // 2 - self.win_length // 2 if self.framing == "edges" else 0

    @property
    def reach(self) -> int:
        """Number of samples of the first frame; each further hop gives another frame."""
        if self.framing == "center":
            return 0
        return self.win_length if self.framing == "snip" else (self.hop_length + 1) // 2

    @property
    def mirrors(self) -> bool:
        """Whether a clip is mirrored at its ends."""
        return self.framing == "edges" or (self.framing, self.pad_mode) == ("center", "reflect")

    def n_frames(self, n_samples: int) -> int:
        """Return the number of frames of a clip of `n_samples`."""
        return 0 if n_samples < 1 else max(0, (n_samples - self.reach) // self.hop_length + 1)

    def count(self, n_samples: Tensor) -> Tensor:
        """Return the numbers of frames, (B,), of clips of `n_samples` (B,)."""
        count = torch.div(n_samples - self.reach, self.hop_length, rounding_mode="floor") + 1
        return (count * (n_samples > 0)).clamp(min=0)

    def n_whole(self, n_samples: int) -> int:
        """Return the number of frames that are final, whatever follows the first `n_samples`."""
        if n_samples <= -self.offset:  # the mirrored beginning is not yet complete
            return 0
        return max(0, (n_samples - self.offset - self.win_length) // self.hop_length + 1)

    def cut(self, waveform: Tensor, lengths: Tensor, ragged: bool) -> Tensor:
        """Return the samples of each window, (B, T, W).

        Parameters
        ----------
        waveform, lengths : (B, N) and (B,).
        ragged : whether any of the clips is shorter than N.
        """
        n_samples, first, after = waveform.shape[1], self.offset, self.width
        if not self.mirrors:
            if ragged:  # padding may hold anything: NaN times 0 is not 0
                waveform = zero_beyond(waveform, lengths)
            padded = F.pad(waveform, (-first, after))  # (B, P)
        elif ragged:
            index = torch.arange(first, n_samples + after, device=waveform.device)
            index = reflect(index, lengths[:, None], self.framing == "edges")
            padded = waveform.gather(1, index)  # (B, P)
        else:
            before = torch.arange(min(first, 0), 0, device=waveform.device)
            behind = torch.arange(n_samples, n_samples + after, device=waveform.device)
            index = reflect(torch.cat([before, behind]), lengths[:1, None], self.framing == "edges")
            ends = waveform[:, index[0]]
            body = waveform[:, max(first, 0) :]
            padded = torch.cat([ends[:, : len(before)], body, ends[:, len(before) :]], 1)  # (B, P)
        n_frames = self.n_frames(n_samples)
        if tracing():  # a comparison of sizes with T would fix the graph to this N
            start = torch.arange(n_frames, device=waveform.device) * self.hop_length
            return padded[:, start[:, None] + torch.arange(self.width, device=waveform.device)]
        return padded.unfold(1, self.width, self.hop_length)[:, :n_frames]
