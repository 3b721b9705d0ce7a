"""The state that the protocols of a server share: recognisers, threads, limits and metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from anyio import CancelScope, fail_after, move_on_after

from speech_rnn.errors import SpeechRnnError
from speech_rnn.serving.capacity import Capacity, measured_streams
from speech_rnn.serving.limits import Limits
from speech_rnn.serving.live import LiveStream
from speech_rnn.serving.logs import log
from speech_rnn.serving.metrics import Metrics
from speech_rnn.serving.refusals import STOPPING, TOO_MANY, RefusalError, refusal_of
from speech_rnn.serving.shelf import Model, Shelf
from speech_rnn.serving.workers import Workers, patient_threads

T = TypeVar("T")

LINGER_SECONDS = 2.0
"""Time in s for which the rest of what was refused is read."""
SCAN_SECONDS = 1.0
"""Time from one look at the files of the recognisers to the next."""


class Service:
    """The state of a server.

    Parameters
    ----------
    shelf : the recognisers.
    limits : the bounds.

    Attributes
    ----------
    workers : threads of the streams.
    capacity : admits streams.
    metrics : counts.
    stopping : is set when the server is asked to end.
    n_recordings : recordings that are received or recognised now.
    """

    def __init__(self, shelf: Shelf, limits: Limits) -> None:
        self.shelf, self.limits = shelf, limits
        self.workers = Workers()
        self.metrics = Metrics()
        if limits.streams is None:
            self.capacity = Capacity(self._measured(), self.workers)
        else:
            self.capacity = Capacity(limits.streams)
        self.metrics.capacity.set(self.capacity.n_streams)
        self.metrics.models.set(len(shelf.models))
        self.stopping = asyncio.Event()
        self._patient: ThreadPoolExecutor = patient_threads()
        self.n_recordings = 0

    def _measured(self) -> int:
        """Return the streams that the slowest recogniser allows."""
        recognizers = [model.recognizer for model in self.shelf.models]
        return min(
            (
                measured_streams(recognizer, self.workers)
                for recognizer in recognizers
                if recognizer.can_stream
            ),
            default=1,
        )

    @contextmanager
    def place(self, protocol: str, n_streams: int = 1) -> Iterator[None]:
        """Hold the place of streams as long as the context lasts.

        Raises
        ------
        RefusalError
            at capacity, and while the server stops.
        """
        with self.capacity.admitted(n_streams):
            gauge = self.metrics.streams.labels(protocol)
            gauge.inc(n_streams)
            try:
                yield
            finally:
                gauge.dec(n_streams)

    def stream(self, model: Model, sample_rate: int, protocol: str) -> LiveStream:
        """Return a stream of a recogniser, for which there is a place; see `LiveStream`."""
        return LiveStream(
            model.recognizer,
            sample_rate,
            workers=self.workers,
            metrics=self.metrics,
            protocol=protocol,
        )

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Hold the place of a recording that is received and recognised.

        Raises
        ------
        RefusalError
            if too many are under way.
        """
        if self.stopping.is_set():
            raise RefusalError(STOPPING, "the server stops; ask again later")
        if self.n_recordings >= self.limits.transcriptions:
            raise RefusalError(
                TOO_MANY,
                f"{self.n_recordings} recordings are being recognised; try again in a moment",
            )
        self.n_recordings += 1
        try:
            yield
        finally:
            self.n_recordings -= 1

    async def aside(self, function: Callable[[], T]) -> T:
        """Call a function that takes long in a thread of low priority."""
        return await asyncio.get_running_loop().run_in_executor(self._patient, function)

    async def keep_scanning(self) -> None:
        """Look at the files of the recognisers again and again."""
        while True:
            await asyncio.sleep(SCAN_SECONDS)
            await self.aside(self.shelf.scan)
            self.metrics.models.set(len(self.shelf.models))

    def refused(self, protocol: str, error: SpeechRnnError) -> None:
        """Count and log a refusal."""
        reason = refusal_of(error).kind.code
        self.metrics.refusals.labels(protocol, reason).inc()
        log("refused", protocol=protocol, reason=reason)

    def stop(self) -> None:
        """Admit nothing from now on, and let the streams end."""
        self.capacity.is_stopping = True
        self.stopping.set()

    def close(self) -> None:
        """End the threads."""
        self.workers.close()
        self._patient.shutdown(cancel_futures=True)


class Patience:
    """Waits for a client, but no longer than is allowed, and not beyond the stop of the server.

    Parameters
    ----------
    stopping : is set when the server stops.
    """

    def __init__(self, stopping: asyncio.Event) -> None:
        self._stop = asyncio.ensure_future(stopping.wait())
        self._stop.add_done_callback(self._interrupt)
        self._scope = CancelScope()

    async def wait(self, awaitable: Awaitable[T], seconds: float | None = None) -> T | None:
        """Return the result of `awaitable`, or None when the server stops.

        Raises
        ------
        TimeoutError
            after so many seconds; None waits on.
        """
        with move_on_after(seconds) as self._scope:  # a task for each wait would cost more
            if self._stop.done():
                asyncio.get_running_loop().call_soon(self._interrupt)
            return await awaitable
        if self._stop.done():
            return None
        raise TimeoutError

    def _interrupt(self, stop: asyncio.Future[Any] | None = None) -> None:
        self._scope.cancel()

    def close(self) -> None:
        """Wait no more."""
        self._stop.remove_done_callback(self._interrupt)
        self._stop.cancel()


async def within(seconds: float, awaitable: Awaitable[T]) -> T:
    """Return the result of `awaitable`.

    Raises
    ------
    TimeoutError
        after so many seconds, in every version of Python.
    """
    with fail_after(seconds):
        return await awaitable
