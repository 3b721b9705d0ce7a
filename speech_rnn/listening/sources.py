"""Sources of sound that arrives in chunks; a file can be read in real time."""

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
    """A source of live sound.

    Attributes
    ----------
    name : name of the source in events.
    sample_rate : sample rate in Hz.
    is_live : whether it has no known end, so that problems are reported while it runs.
    mix : function that mixes the channels down to one.
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
            if `stop` was requested.
        AudioError
            if the source ends early.
        """
        ...

    def problems(self) -> list[str]:
        """Return what was lost, and the problems of the channels."""
        ...


class FileSource:
    """A sound file that arrives as from a microphone. It is opened once.

    Parameters
    ----------
    source, name : as in `load_audio`.
    is_fast : whether it is read without waiting.
    chunk_seconds : duration of a chunk, in seconds.
    channel : index of the channel to take; see `load_audio`.

    Attributes
    ----------
    duration : duration in seconds according to the header; None if the header does not hold it.

    Raises
    ------
    AudioError
        if the file cannot be opened, or lacks the channel.
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
        """Yield samples in real time, and close the file; see `Source`."""
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
        """Return the problems of the file and its channels; no sound of a file is lost."""
        return [*self._opened.problems, *self.mix.problems()]
