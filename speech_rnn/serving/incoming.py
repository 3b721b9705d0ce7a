"""Sound of a stream as it arrives: raw PCM, or a WAV file whose header has its format."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech_rnn.audio.headers import STREAMED
from speech_rnn.listening.pcm import IN_WAV, RAW, Encoding, WavForm
from speech_rnn.samples.downmix import Downmix
from speech_rnn.samples.integers import FULL_SCALE
from speech_rnn.samples.limits import check_channels, check_rate
from speech_rnn.serving.refusals import NO_SOUND, RefusalError

Sound = NDArray[Any]
"""Samples, (n,): float32 in [-1, 1], or int16."""
RIFF_BYTES = 12
MOST_HEADER = 64 << 10
"""Bytes before the samples of a WAV file, at most."""
BY_WIDTH = {1: IN_WAV[1, 8], 2: RAW["int16"], 3: IN_WAV[1, 24], 4: RAW["int32"]}
"""Encodings by the bytes of a sample."""


def as_floats(sound: Sound) -> NDArray[np.float32]:
    """Return samples in [-1, 1], (n,)."""
    return sound.astype(np.float32) / np.float32(FULL_SCALE) if sound.dtype.kind == "i" else sound


class Samples:
    """Bytes of PCM, cut anywhere, become samples of one channel.

    Parameters
    ----------
    encoding : how a sample is written.
    n_channels : number of interleaved channels.
    """

    def __init__(self, encoding: Encoding = RAW["int16"], n_channels: int = 1) -> None:
        self._encoding, self._n_channels = encoding, n_channels
        self._mix = Downmix()
        self._cut = b""

    def push(self, content: bytes) -> Sound:
        """Take the next bytes and return the samples now known, (n,).

        Those of one channel of 16 bits stay as they are: the thread that computes converts them.
        """
        content = self._cut + content if self._cut else content
        frame = self._encoding.n_bytes * self._n_channels
        whole = len(content) // frame * frame
        self._cut = content[whole:]
        if self._n_channels == 1 and self._encoding == RAW["int16"]:
            return np.frombuffer(content, "<i2", whole // frame)
        samples = self._encoding.decoded(content[:whole])
        if self._n_channels == 1:
            return samples
        return self._mix(samples.reshape(-1, self._n_channels))


class Incoming:
    """Sound whose first bytes show whether it is raw PCM (16 bits, mono) or a WAV file.

    Parameters
    ----------
    sample_rate : sample rate of raw PCM, in Hz.

    Attributes
    ----------
    sample_rate : sample rate of the sound, in Hz; None until it is known.
    """

    def __init__(self, sample_rate: int) -> None:
        self._raw_rate = sample_rate
        self.sample_rate: int | None = None
        self._head = b""
        self._samples = Samples()
        self._left: int | None = None

    def push(self, content: bytes) -> Sound:
        """Take the next bytes and return the samples now known, (n,).

        Raises
        ------
        RefusalError
            for a WAV file without samples, or of samples that are compressed.
        """
        if self.sample_rate is None:
            self._head += content
            content = self._begun()
        if self._left is not None:
            content = content[: self._left]
            self._left -= len(content)
        return self._samples.push(content)

    def finish(self) -> Sound:
        """End the sound: return the samples of one that was too short to show what it is."""
        if self.sample_rate is None and not self._head.startswith(b"RIFF"):
            self.sample_rate = self._raw_rate
            return self._samples.push(self._head)
        return self._samples.push(b"")

    def _begun(self) -> bytes:
        """Return the bytes of sound after the header, once it is whole."""
        if not b"RIFF".startswith(self._head[:4]):
            self.sample_rate = self._raw_rate
            return self._head
        place, form = RIFF_BYTES, b""
        while len(chunk := self._head[place : place + 8]) == 8:
            size = int.from_bytes(chunk[4:], "little")
            if chunk[:4] == b"data":
                self._take(WavForm.read(form), size)
                return self._head[place + 8 :]
            if chunk[:4] == b"fmt ":
                form = self._head[place + 8 : place + 8 + min(size, 40)]
            place += 8 + size + size % 2
        if max(place, len(self._head)) > MOST_HEADER:
            raise RefusalError(NO_SOUND, "the WAV file holds no samples; send it as raw PCM")
        return b""

    def _take(self, form: WavForm, size: int) -> None:
        if form.encoding is None:
            raise RefusalError(
                NO_SOUND, "the WAV file is compressed; send PCM, or post it as a recording"
            )
        check_rate(form.sample_rate)
        check_channels(form.n_channels)
        self._samples = Samples(form.encoding, form.n_channels)
        self._left = size if 0 < size < STREAMED else None
        self.sample_rate = form.sample_rate
