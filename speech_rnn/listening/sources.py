"""What can be listened to as it arrives: raw PCM, and a file at the pace of time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from speech_rnn.audio import Sound, open_audio
from speech_rnn.errors import ConfigurationError
from speech_rnn.listening.interrupts import Stop
from speech_rnn.streaming.chunks import FULL_SCALE

CHUNK_SECONDS = 0.1


class Source(Protocol):
    """Something to listen to.

    Attributes
    ----------
    name : in events.
    sample_rate : in Hz.
    """

    name: str
    sample_rate: int

    def chunks(self, stop: Stop) -> Iterator[NDArray[np.float32]]:
        """Yield samples, (n,) in [-1, 1], as they arrive.

        Raises
        ------
        Stopped
            where `stop` says so.
        AudioError
            for what ends before its time.
        """
        ...

    def problems(self) -> list[str]:
        """Return what was lost."""
        ...


class PcmSource:
    """Raw little-endian samples, as ``arecord -t raw`` or ``ffmpeg -f s16le`` write them.

    Bytes may arrive in any number. What is less than a sample of every channel at the end is no
    sound, and is told.

    Parameters
    ----------
    file : open for reading in binary, with ``read1``.
    sample_rate : in Hz.
    dtype : one of int16, int32, float32 and float64.
    n_channels : interleaved, whose mean is taken.

    Raises
    ------
    ConfigurationError
        for a rate or number of channels that is not above 0, and another dtype.
    """

    name = "-"

    def __init__(
        self, file: BinaryIO, sample_rate: int, dtype: str = "int16", n_channels: int = 1
    ) -> None:
        if sample_rate <= 0 or n_channels <= 0:
            raise ConfigurationError(
                f"rate={sample_rate} and channels={n_channels} must be above 0"
            )
        if dtype not in FULL_SCALE:
            raise ConfigurationError(f"dtype={dtype!r} must be one of {', '.join(FULL_SCALE)}")
        self._file, self.sample_rate, self._n_channels = file, sample_rate, n_channels
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._scale = FULL_SCALE[dtype]
        self._n_left = 0

    def chunks(self, stop: Stop) -> Iterator[NDArray[np.float32]]:
        """Yield samples as they arrive; see `Source`."""
        frame = self._dtype.itemsize * self._n_channels
        most = frame * max(1, round(CHUNK_SECONDS * self.sample_rate))
        cut = b""
        while True:
            with stop.at_once():
                content = self._file.read1(most)  # type: ignore[attr-defined]
            if not content:
                break
            content = cut + content
            whole = len(content) // frame * frame
            cut = content[whole:]
            samples = np.frombuffer(content[:whole], self._dtype).reshape(-1, self._n_channels)
            yield (samples.mean(axis=1, dtype=np.float64) / self._scale).astype(np.float32)
        self._n_left = len(cut)

    def problems(self) -> list[str]:
        """Return whether the stream ended within a sample."""
        if not self._n_left:
            return []
        return [
            f"{self._n_left} bytes at the end are no whole sample of {self._dtype.name} and "
            f"{self._n_channels} channels: do --dtype and --channels fit?"
        ]


class FileSource:
    """A sound file that arrives as a microphone would give it. It is opened once.

    Parameters
    ----------
    source, name : as in `load_audio`.
    is_fast : whether it arrives at once.
    chunk_seconds : the length of a chunk.

    Attributes
    ----------
    duration : in seconds, by the header; None where the header does not hold it.

    Raises
    ------
    AudioError
        for a file that cannot be opened.
    """

    def __init__(
        self,
        source: Sound,
        name: str,
        *,
        is_fast: bool = False,
        chunk_seconds: float = CHUNK_SECONDS,
    ) -> None:
        with ExitStack() as stack:
            opened = stack.enter_context(open_audio(source, block_seconds=chunk_seconds, name=name))
            self._closing = stack.pop_all()
        self.sample_rate, self.duration = opened.sample_rate, opened.duration
        self._opened, self.name, self._is_fast = opened, name, is_fast

    def chunks(self, stop: Stop) -> Iterator[NDArray[np.float32]]:
        """Yield samples when they would have been heard, and close the file; see `Source`."""
        with self._closing:
            began, n_samples = time.monotonic(), 0
            for block in self._opened.blocks:
                n_samples += len(block)
                stop.check()
                if not self._is_fast:
                    self._wait(began + n_samples / self.sample_rate, stop)
                yield block

    def _wait(self, until: float, stop: Stop) -> None:
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, CHUNK_SECONDS))
            stop.check()

    def problems(self) -> list[str]:
        """Return nothing: a file waits."""
        return []
