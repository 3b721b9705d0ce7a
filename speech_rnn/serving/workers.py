"""Threads that compute for all streams, so that the event loop never waits for a model."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import count
from queue import PriorityQueue
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")

LATE_SECONDS = 0.05
"""A job that waited longer than this for a thread shows that the machine is at its limit."""
REMEMBERED_SECONDS = 2.0
"""Time for which that is remembered."""
LOW_PRIORITY = 10
"""Niceness of the threads that read recordings: streams go first."""


def n_cpus() -> int:
    """Return the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Job(NamedTuple):
    due: float
    order: int
    since: float
    function: Callable[[], Any] | None
    is_dropped: Callable[[], bool]
    answer: Callable[[Any, BaseException | None], None]


class _Mailbox:
    """Results on their way to an event loop, which is woken once for all that wait."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._results: deque[tuple[asyncio.Future[Any], Any, BaseException | None]] = deque()
        self._is_woken = False

    def post(self, future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
        """Take a result; called in the thread that computed it."""
        self._results.append((future, result, error))
        if not self._is_woken:
            self._is_woken = True
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                self.loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        self._is_woken = False  # first: what is posted from now on wakes the loop again
        while self._results:
            future, result, error = self._results.popleft()
            if future.done():
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)


class Workers:
    """A pool of threads that takes the job that is due first (earliest deadline first).

    Sound that comes at its own pace is due when it arrives. Sound that comes faster is due later,
    so that it takes only time that is left over.

    Parameters
    ----------
    n_threads : number of threads; None takes one for each processor.
    """

    def __init__(self, n_threads: int | None = None) -> None:
        self._jobs: PriorityQueue[_Job] = PriorityQueue()
        self._order = count()
        self._late_until = 0.0
        self._mailbox: _Mailbox | None = None
        self.n_threads = n_threads or n_cpus()
        self._threads = [
            threading.Thread(target=self._work, name=f"stream-{number}", daemon=True)
            for number in range(self.n_threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, function: Callable[[], T], due: float | None = None) -> Future[T]:
        """Let a thread call a function; `due` is a time of `time.monotonic`, None is now."""
        future = Future[T]()
        self._put(due, function, future.cancelled, partial(_fulfil, future))
        return future

    async def run(self, function: Callable[[], T], due: float | None = None) -> T:
        """Call a function in a thread and return what it returns."""
        loop = asyncio.get_running_loop()
        if self._mailbox is None or self._mailbox.loop is not loop:
            self._mailbox = _Mailbox(loop)
        future: asyncio.Future[T] = loop.create_future()
        self._put(due, function, future.cancelled, partial(self._mailbox.post, future))
        return await future

    def _put(
        self,
        due: float | None,
        function: Callable[[], Any] | None,
        is_dropped: Callable[[], bool],
        answer: Callable[[Any, BaseException | None], None],
    ) -> None:
        now = time.monotonic()
        order = next(self._order)
        due = now if due is None else due
        self._jobs.put(_Job(due, order, now, function, is_dropped, answer))

    @property
    def is_late(self) -> bool:
        """Whether a job had to wait for a thread in the last seconds."""
        return time.monotonic() < self._late_until

    def close(self) -> None:
        """End the threads once the jobs that wait are done."""
        for _ in self._threads:
            self._put(float("inf"), None, bool, lambda result, error: None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            if job.function is None:
                return
            now = time.monotonic()
            if now - max(job.due, job.since) > LATE_SECONDS:
                self._late_until = now + REMEMBERED_SECONDS
            if job.is_dropped():
                continue
            try:
                result = job.function()
            except BaseException as error:
                job.answer(None, error)
            else:
                job.answer(result, None)


def _fulfil(future: Future[T], result: T, error: BaseException | None) -> None:
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


def patient_threads() -> ThreadPoolExecutor:
    """Return threads for recordings and files, of low priority where the system allows it."""
    return ThreadPoolExecutor(max(1, n_cpus() // 2), "recording", initializer=_step_back)


def _step_back() -> None:
    if sys.platform == "linux":  # elsewhere the number of a thread is none of a process
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOW_PRIORITY)
