"""Turn Ctrl-C and SIGTERM into a flag that is checked between chunks."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

from speech_rnn.errors import Stopped

T = TypeVar("T")
IMPATIENT_SECONDS = 1.0
"""Seconds after which a second signal acts at once; a wrapper may send one Ctrl-C twice."""


class Stop:
    """A request to stop.

    Attributes
    ----------
    signum : the signal that was received, or None.
    """

    def __init__(self) -> None:
        self.signum: int | None = None
        self._asked_at = 0.0
        self._at_once = False

    def ask(self, signum: int, frame: FrameType | None = None) -> None:
        """Handle a signal; for `signal.signal`."""
        is_first = self.signum is None
        if is_first:
            self.signum, self._asked_at = signum, time.monotonic()
        # While the exception of the first signal propagates, ignore its duplicate.
        is_impatient = time.monotonic() - self._asked_at > IMPATIENT_SECONDS
        if self._at_once if is_first else is_impatient:
            raise Stopped(signum)

    def check(self) -> None:
        """Raise `Stopped` if a signal was received."""
        if self.signum is not None:
            raise Stopped(self.signum)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Raise `Stopped` as soon as a signal arrives, for code that blocks without any state."""
        self._at_once = True
        try:
            self.check()
            yield
        finally:
            self._at_once = False

    def during(self, items: Iterable[T]) -> Iterator[T]:
        """Yield items, and raise `Stopped` as soon as a signal arrives while one is awaited."""
        pending = iter(items)
        while True:
            with self.at_once():
                try:
                    item = next(pending)
                except StopIteration:
                    return
            yield item


@contextmanager
def stopping() -> Iterator[Stop]:
    """Handle SIGINT and SIGTERM as requests to stop; allowed in the main thread only."""
    stop = Stop()
    before = {number: signal.signal(number, stop.ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
