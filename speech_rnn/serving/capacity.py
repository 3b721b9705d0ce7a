"""Measure how many streams a machine computes in real time, and refuse more."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import wait
from contextlib import contextmanager

import numpy as np

from speech_rnn.recognizer import Recognizer
from speech_rnn.serving.live import BLOCK_SECONDS
from speech_rnn.serving.refusals import FULL, STOPPING, RefusalError
from speech_rnn.serving.workers import Workers

SHARE = 0.3
"""Share of the measured speed that streams may take, since receiving and sending take time, too. Of
270 streams by this measure, 80 had 99 % of their words within 25 ms, and 100 within 64 ms."""
ROUNDS = 3
"""Measurements of the speed; the best counts, since another program may disturb some."""
ROUND_SECONDS = 4.0
"""Sound of each thread in a measurement, in s."""


class Capacity:
    """Counts the streams, and refuses those that would slow the others down.

    Parameters
    ----------
    n_streams : number of streams that are admitted at once.
    workers : the threads; while their jobs have to wait, no stream is admitted either. None leaves
        that to who chose the number.
    """

    def __init__(self, n_streams: int, workers: Workers | None = None) -> None:
        self.n_streams = n_streams
        self.n_open = 0
        self.is_stopping = False
        self._workers = workers

    @contextmanager
    def admitted(self, n_streams: int = 1) -> Iterator[None]:
        """Hold the place of streams.

        Raises
        ------
        RefusalError
            if there is none left.
        """
        if self.is_stopping:
            raise RefusalError(STOPPING, "the server stops; connect again later")
        is_late = self._workers is not None and self._workers.is_late
        if self.n_open + n_streams > self.n_streams or is_late:
            raise RefusalError(
                FULL,
                f"the server is at its capacity ({self.n_open} of {self.n_streams} streams are "
                "open); try again later",
            )
        self.n_open += n_streams
        try:
            yield
        finally:
            self.n_open -= n_streams


def measured_streams(recognizer: Recognizer, workers: Workers) -> int:
    """Return the number of streams that these threads compute in real time with time to spare."""
    samples = np.random.default_rng(0).standard_normal(recognizer.sample_rate) * 0.05
    block = samples[: round(BLOCK_SECONDS * recognizer.sample_rate)].astype(np.float32)
    n_blocks = round(ROUND_SECONDS / BLOCK_SECONDS)

    def listen() -> None:
        stream = recognizer.stream(block_seconds=0, check=False)
        for _ in range(n_blocks):
            stream.push(block)

    speeds = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        jobs = [workers.submit(listen) for _ in range(workers.n_threads)]
        wait(jobs)
        for job in jobs:
            job.result()
        speeds.append(workers.n_threads * ROUND_SECONDS / (time.perf_counter() - begin))
    return max(1, int(SHARE * max(speeds)))
