"""Samples that arrive through a pipe: raw, or after the header of a WAV file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from speech_rnn.audio.headers import FEW_BYTES
from speech_rnn.errors import AudioError, ConfigurationError
from speech_rnn.listening.interrupts import Stop
from speech_rnn.listening.sources import CHUNK_SECONDS
from speech_rnn.samples.downmix import Downmix
from speech_rnn.samples.limits import check_channel, check_channels, check_rate
from speech_rnn.streaming.chunks import FULL_SCALE


@dataclass(frozen=True)
class Encoding:
    """Format of numbers: little-endian, `n_bytes` each.

    Parameters
    ----------
    name : name such as ``int16``, for messages.
    n_bytes : number of bytes of a sample of one channel.
    """

    name: str
    n_bytes: int

    def decoded(self, content: bytes) -> NDArray[np.float32]:
        """Return complete samples, (n,), within [-1, 1] unless they are floating point."""
        if self.name == "uint8":
            levels = np.frombuffer(content, np.uint8).astype(np.float32)
            return levels / np.float32(128) - np.float32(1)
        if self.name == "int24":
            widened = np.zeros((len(content) // 3, 4), np.uint8)
            widened[:, 1:] = np.frombuffer(content, np.uint8).reshape(-1, 3)
            return (widened.view("<i4")[:, 0] / 2.0**31).astype(np.float32)
        values = np.frombuffer(content, np.dtype(self.name).newbyteorder("<"))
        # A power of two: the product rounds as the quotient would.
        return values.astype(np.float32) * np.float32(1 / FULL_SCALE[self.name])


RAW = {name: Encoding(name, np.dtype(name).itemsize) for name in FULL_SCALE}
"""Encodings of raw PCM by name."""
IN_WAV = {
    (1, 8): Encoding("uint8", 1),
    (1, 16): RAW["int16"],
    (1, 24): Encoding("int24", 3),
    (1, 32): RAW["int32"],
    (3, 32): RAW["float32"],
    (3, 64): RAW["float64"],
}
"""Encodings of WAV files by format tag and number of bits."""
EXTENSIBLE = 0xFFFE
"""Format tag of a WAV file whose actual tag follows."""


class WavForm(NamedTuple):
    """The format of a WAV file from its fmt chunk; the encoding is None if it must be decoded."""

    encoding: Encoding | None
    n_channels: int
    sample_rate: int

    @classmethod
    def read(cls, chunk: bytes) -> WavForm:
        """Parse the content of a fmt chunk."""
        tag, n_channels, rate, bits = (
            int.from_bytes(chunk[first:last], "little")
            for first, last in ((0, 2), (2, 4), (4, 8), (14, 16))
        )
        if tag == EXTENSIBLE:
            tag = int.from_bytes(chunk[24:26], "little")
        return cls(IN_WAV.get((tag, bits)), n_channels, rate)


class PcmSource:
    """Little-endian samples, as ``arecord -t raw`` or ``ffmpeg -f s16le`` write them.

    Bytes may arrive in any number. Bytes at the end that are not a sample of every channel are
    dropped and reported.

    Parameters
    ----------
    file : file with ``read1``, open for reading in binary mode.
    sample_rate : sample rate in Hz.
    encoding : format of a sample.
    n_channels : number of interleaved channels.
    channel : index of the channel to take, from 0; None takes the mean; see `Downmix`.
    n_bytes : number of bytes of sound before other data; None reads to the end.

    Raises
    ------
    ConfigurationError
        if the sample rate or number of channels is impossible, or the channel does not exist.
    """

    name = "-"
    is_live = True

    def __init__(
        self,
        file: BinaryIO,
        sample_rate: int,
        encoding: Encoding = RAW["int16"],
        n_channels: int = 1,
        *,
        channel: int | None = None,
        n_bytes: int | None = None,
    ) -> None:
        check_rate(sample_rate)
        check_channels(n_channels)
        if channel is not None:
            check_channel(channel, n_channels)
        self._file, self.sample_rate = file, sample_rate
        self._encoding, self._n_channels = encoding, n_channels
        self.mix = Downmix(channel)
        self._n_bytes = n_bytes
        self._n_read = self._n_cut = 0
        self._has_ended = False

    def chunks(self, stop: Stop) -> Iterator[NDArray[np.float32]]:
        """Yield samples as they arrive; see `Source`.

        Raises
        ------
        AudioError
            if nothing arrives.
        """
        frame = self._encoding.n_bytes * self._n_channels
        cut = b""
        while content := self._read(stop, frame):
            content = cut + content
            whole = len(content) // frame * frame
            cut = content[whole:]
            samples = self._encoding.decoded(content[:whole]).reshape(-1, self._n_channels)
            yield self.mix(samples)
        self._n_cut, self._has_ended = len(cut), True
        if not self._n_read:
            raise AudioError(
                f"{self.name}: standard input is empty (0 bytes of sound): does the program before "
                "the pipe work, and does it write the sound to its standard output?"
            )

    def _read(self, stop: Stop, frame: int) -> bytes:
        most = frame * max(1, round(CHUNK_SECONDS * self.sample_rate))
        if self._n_bytes is not None:
            most = min(most, self._n_bytes - self._n_read)
        if not most:
            return b""
        with stop.at_once():
            content: bytes = self._file.read1(most)  # type: ignore[attr-defined]
        self._n_read += len(content)
        return content

    def problems(self) -> list[str]:
        """Return whether the stream ended early, and the problems of its channels."""
        found = self.mix.problems()
        n_missing = (self._n_bytes or 0) - self._n_read
        if self._has_ended and n_missing > FEW_BYTES:
            found.append(f"is cut short: its header promises {n_missing} bytes more than there are")
        if self._n_cut:
            found.append(
                f"{self._n_cut} bytes at the end are no whole sample of {self._encoding.name} and "
                f"{self._n_channels} channels: do --dtype and --channels fit?"
            )
        return found


def raw_encoding(dtype: str) -> Encoding:
    """Return the encoding of raw PCM.

    Raises
    ------
    ConfigurationError
        if there is no encoding of this name.
    """
    if dtype not in RAW:
        raise ConfigurationError(f"dtype={dtype!r} must be one of {', '.join(RAW)}")
    return RAW[dtype]
