"""Ctrl-C and SIGTERM as a wish, which whoever works on a stream grants between two pieces of it."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from speech_rnn.errors import Stopped

IMPATIENT_SECONDS = 1.0
"""After which a second signal does not wait; before, one Ctrl-C may come twice, from a wrapper."""


class Stop:
    """The wish to stop, once it has come.

    Attributes
    ----------
    signum : the signal that came, or None.
    """

    def __init__(self) -> None:
        self.signum: int | None = None
        self._asked_at = 0.0
        self._at_once = False

    def ask(self, signum: int, frame: FrameType | None = None) -> None:
        """Take a signal, as a handler of `signal.signal`."""
        is_first = self.signum is None
        if is_first:
            self.signum, self._asked_at = signum, time.monotonic()
        # While what the first has raised is on its way, its twin is no impatience.
        is_impatient = time.monotonic() - self._asked_at > IMPATIENT_SECONDS
        if self._at_once if is_first else is_impatient:
            raise Stopped(signum)

    def check(self) -> None:
        """Raise `Stopped` if the wish has come."""
        if self.signum is not None:
            raise Stopped(self.signum)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Raise `Stopped` wherever a signal arrives, for what waits and holds nothing yet."""
        self._at_once = True
        try:
            self.check()
            yield
        finally:
            self._at_once = False


@contextmanager
def stopping() -> Iterator[Stop]:
    """Take SIGINT and SIGTERM as a wish to stop; only a main thread may."""
    stop = Stop()
    before = {number: signal.signal(number, stop.ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
