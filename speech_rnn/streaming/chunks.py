"""Convert chunks of any size and type to one channel of floats at one sample rate."""

from __future__ import annotations

from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from speech_rnn.errors import AudioError
from speech_rnn.samples.levels import Levels
from speech_rnn.samples.limits import check_rate

Chunk = bytes | bytearray | memoryview | NDArray[Any]
"""Raw 16-bit little-endian PCM, or samples (n,) as int16, int32, float32 or float64."""

FULL_SCALE = {"int16": 2.0**15, "int32": 2.0**31, "float32": 1.0, "float64": 1.0}


class SampleStream:
    """Turns chunks into float32 samples in [-1, 1] at `target_rate`; needs no torch.

    All chunks of a stream have the same type. Bytes may be cut anywhere, even within a sample.
    Floats beyond [-1, 1] are clipped, as those of files are, and counted. A rejected chunk changes
    nothing: the stream continues with the next one.

    Parameters
    ----------
    source_rate : sample rate of the chunks, in Hz.
    target_rate : sample rate of the result, in Hz; resampled as in `speech_rnn.audio.resample`.

    Attributes
    ----------
    levels : the levels of the stream so far, with the number of samples beyond [-1, 1].

    Raises
    ------
    ConfigurationError
        if a sample rate is impossible.
    """

    def __init__(self, source_rate: int, target_rate: int) -> None:
        for rate in (source_rate, target_rate):
            check_rate(rate)
        self._resampler = None
        if source_rate != target_rate:
            self._resampler = soxr.ResampleStream(
                source_rate, target_rate, 1, dtype="float32", quality="HQ"
            )
        self._begin()

    def _begin(self) -> None:
        self._kind: str | None = None
        self._cut = b""  # the first byte of an incomplete sample
        self.levels = Levels()

    def push(self, chunk: Chunk) -> NDArray[np.float32]:
        """Take the next samples and return those now known, (n,).

        Raises
        ------
        AudioError
            if the chunk has another type than those before it or more than one channel, or holds
            NaN or infinite values.
        """
        kind, samples, cut = self._read(chunk)
        if self._kind not in (None, kind):
            raise AudioError(
                f"chunk of {kind} after chunks of {self._kind}; all chunks of a stream must "
                "have one type: convert it, or start another stream"
            )
        waveform = samples.astype(np.float32)
        if kind in ("bytes", "int16", "int32"):
            waveform *= np.float32(1 / FULL_SCALE.get(kind, FULL_SCALE["int16"]))
        elif not np.isfinite(waveform).all():
            n_bad = int((~np.isfinite(waveform)).sum())
            raise AudioError(
                f"chunk of {len(waveform)} samples holds {n_bad} that are not numbers (NaN or "
                "infinite); it was left out: repair it and push it again"
            )
        self.levels.take(waveform)
        if self.levels.n_clipped:
            waveform = waveform.clip(-1, 1)
        if len(waveform) or cut:
            self._kind = kind
        self._cut = cut
        return self._resample(waveform)

    def finish(self) -> NDArray[np.float32]:
        """End the stream and return the remaining samples. The next push begins another.

        A single last byte, half a sample, is dropped.
        """
        left = self._resample(np.zeros(0, np.float32), last=True)
        if self._resampler is not None:
            self._resampler.clear()
        self._begin()
        return left

    def _read(self, chunk: Chunk) -> tuple[str, NDArray[Any], bytes]:
        """Return the type of a chunk, its complete samples (n,), and the remaining byte."""
        if isinstance(chunk, (bytes, bytearray, memoryview)):
            content = self._cut + bytes(chunk)
            whole = len(content) & ~1
            return "bytes", np.frombuffer(content[:whole], "<i2"), content[whole:]
        samples = np.asarray(chunk)
        kind = samples.dtype.name
        if samples.ndim != 1 or kind not in FULL_SCALE:
            raise AudioError(
                f"chunk of shape={samples.shape} and dtype={samples.dtype} must be bytes of 16-bit "
                f"PCM or one channel (n,) of {', '.join(FULL_SCALE)}; take the mean of several "
                "channels"
            )
        return kind, samples, b""

    def _resample(self, waveform: NDArray[np.float32], last: bool = False) -> NDArray[np.float32]:
        if self._resampler is None:
            return waveform
        return self._resampler.resample_chunk(waveform, last=last).clip(-1, 1)  # it overshoots
