"""One stream of sound: its chunks are computed in order by the workers, and give words."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np

from speech_rnn.decoding.hypothesis import Word
from speech_rnn.recognizer import Recognizer
from speech_rnn.serving.incoming import Sound
from speech_rnn.serving.metrics import Metrics
from speech_rnn.serving.workers import Workers

BLOCK_SECONDS = 0.1
"""Sound that is gathered before it is computed, in s, or more if the model needs more for a step;
see `PosteriorStream`."""
MOST_SECONDS = 0.5
"""Sound of one job, in s: a client that sends more at once does not hold a thread for long."""
LENIENCE = 0.9
"""Share of its duration after which sound is due: a fast clock of a client costs it nothing."""


class LiveStream:
    """Sound of a client, in chunks of any size, becomes words.

    Parameters
    ----------
    recognizer : a recogniser that can stream.
    sample_rate : sample rate of the chunks, in Hz.
    workers : the threads that compute.
    metrics : counts sound and words.
    protocol : name of the protocol in the metrics.

    Raises
    ------
    ConfigurationError
        for a recogniser that cannot stream, and a rate that no recording has.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        sample_rate: int,
        *,
        workers: Workers,
        metrics: Metrics,
        protocol: str,
    ) -> None:
        self._stream = recognizer.stream(sample_rate, block_seconds=0, check=False)
        self._rate, self._workers, self._metrics = sample_rate, workers, metrics
        self._protocol = protocol
        self._latency = metrics.latency.labels(protocol)  # a look-up for each chunk takes time
        self._sound = metrics.sound.labels(protocol)
        self._block = round(BLOCK_SECONDS * sample_rate)
        self._most = round(MOST_SECONDS * sample_rate)
        self._waiting: list[Sound] = []
        self._n_waiting = self._n_received = 0
        self._due = 0.0
        self._set_wanted()

    @property
    def words(self) -> list[str]:
        """The words that it may find."""
        return self._stream.words

    @property
    def pending(self) -> list[str]:
        """The words that are being spoken, the most probable first; they may yet be withdrawn."""
        return self._stream.pending

    @property
    def seconds(self) -> float:
        """Duration of the sound so far, in s."""
        return self._n_received / self._rate

    async def push(self, samples: Sound) -> list[Word]:
        """Take the next samples, (n,), and return the words that they decide.

        All samples of a stream have the same type.

        Raises
        ------
        AudioError
            for samples that are no number; the stream continues without them.
        """
        begin = time.perf_counter()
        self._waiting.append(samples)
        self._n_waiting += len(samples)
        self._n_received += len(samples)
        if self._n_waiting < self._wanted:
            return []
        gathered = np.concatenate(self._waiting)
        self._waiting, self._n_waiting = [], 0
        words = []
        for first in range(0, len(gathered), self._most):
            piece = gathered[first : first + self._most]
            words += await self._compute(partial(self._stream.push, piece), len(piece))
        self._set_wanted()
        self._latency.observe(time.perf_counter() - begin)
        return words

    async def finish(self) -> list[Word]:
        """End the stream: return the words left. The next push begins another, at 0 s."""
        pieces, n_samples = self._waiting, self._n_waiting
        self._waiting, self._n_waiting = [], 0
        words = await self._compute(partial(self._last, pieces), n_samples)
        self._n_received = 0
        self._set_wanted()
        return words

    def _set_wanted(self) -> None:
        """Gather what the model needs for its next step: with less, a thread would do nothing."""
        self._wanted = max(self._block, self._stream.n_missing)

    def _last(self, pieces: list[Sound]) -> list[Word]:
        words = self._stream.push(np.concatenate(pieces)) if pieces else []
        return [*words, *self._stream.finish()]

    async def _compute(self, function: Callable[[], list[Word]], n_samples: int) -> list[Word]:
        seconds = n_samples / self._rate
        self._due = max(time.monotonic(), self._due)
        words = await self._workers.run(function, self._due)
        self._due += LENIENCE * seconds
        self._sound.inc(seconds)
        for word in words:
            self._metrics.words.labels(self._protocol, word.word).inc()
        return words
