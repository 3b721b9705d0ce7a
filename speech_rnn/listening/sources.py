"""Sources of sound that arrives bit by bit; a file can be read at its own pace."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from speech_rnn.audio import Sound, open_audio
from speech_rnn.listening.interrupts import Stop
from speech_rnn.samples.downmix import Downmix

CHUNK_SECONDS = 0.1


class Source(Protocol):
    """Something to listen to.

    Attributes
    ----------
    name : in events.
    sample_rate : in Hz.
    is_live : True for a source without a known end, whose problems are told while it runs.
    mix : makes one channel of several.
    """

    name: str
    sample_rate: int
    is_live: bool
    mix: Downmix

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
        """Return what was lost, and what is wrong with the channels."""
        ...


class FileSource:
    """A sound file that arrives as a microphone would give it. It is opened once.

    Parameters
    ----------
    source, name : as in `load_audio`.
    is_fast : whether it arrives at once.
    chunk_seconds : the length of a chunk.
    channel : the channel to take; see `load_audio`.

    Attributes
    ----------
    duration : in seconds, by the header; None where the header does not hold it.

    Raises
    ------
    AudioError
        for a file that cannot be opened, or lacks the channel.
    """

    is_live = False

    def __init__(
        self,
        source: Sound,
        name: str,
        *,
        is_fast: bool = False,
        chunk_seconds: float = CHUNK_SECONDS,
        channel: int | None = None,
    ) -> None:
        with ExitStack() as stack:
            opening = open_audio(source, block_seconds=chunk_seconds, channel=channel, name=name)
            opened = stack.enter_context(opening)
            self._closing = stack.pop_all()
        self.sample_rate, self.duration = opened.sample_rate, opened.duration
        self._opened, self.name, self._is_fast = opened, name, is_fast
        self.mix = opened.mix

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
        """Return what is wrong with the file and its channels: nothing is lost, a file waits."""
        return [*self._opened.problems, *self.mix.problems()]
