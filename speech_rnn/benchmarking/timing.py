"""Time contenders in turns, so that other load on the machine slows all of them alike."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from speech_rnn.benchmarking.results import Row, Times
from speech_rnn.errors import ConfigurationError, MissingExtraError

Contender = Callable[[], object]

LEAST_SECONDS = 0.01
"""Shortest turn in seconds: a faster contender is called several times in a turn, because a single
call is too short for the clock and for warm caches."""
TRIES = 4
"""Calls that estimate the time of a fast contender; the quickest one counts."""
LONGEST_NOTE = 200


def turns(names: Iterable[str], n_rounds: int) -> Iterator[str]:
    """Yield all names once per round; every second round is in reverse order."""
    order = list(names)
    for number in range(n_rounds):
        yield from order if number % 2 == 0 else reversed(order)


def interleaved(
    contenders: Mapping[str, Contender],
    n_rounds: int,
    *,
    least_seconds: float = LEAST_SECONDS,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Times]:
    """Time contenders in `turns`.

    Each contender is first called a few times, to warm up and to choose the number of calls in a
    turn. A turn of several calls starts with one call that is not timed.

    Parameters
    ----------
    contenders : functions to time, by name.
    n_rounds : turns of each contender.
    least_seconds : approximate minimum duration of a turn.
    clock : function that returns the time in seconds.

    Raises
    ------
    ConfigurationError
        if `n_rounds` is below 1.
    """
    if n_rounds < 1:
        raise ConfigurationError(f"n_rounds={n_rounds} must be 1 or more")

    def timed(run: Contender, n_calls: int) -> float:
        begun = clock()
        for _ in range(n_calls):
            run()
        return (clock() - begun) / n_calls

    calls = {}
    for name, run in contenders.items():
        run()
        quickest = timed(run, 1)
        if quickest < 10 * least_seconds:  # a slow contender has one call per turn
            quickest = min(quickest, *(timed(run, 1) for _ in range(TRIES)))
        calls[name] = max(1, math.ceil(least_seconds / max(quickest, 1e-9)))
    took: dict[str, list[float]] = {name: [] for name in contenders}
    for name in turns(contenders, n_rounds):
        if calls[name] > 1:  # warm the caches again: the contender before differs by round
            contenders[name]()
        took[name].append(timed(contenders[name], calls[name]))
    return {name: Times(tuple(seconds)) for name, seconds in took.items()}


class Candidates:
    """Contenders that may be missing: the row of a missing one gives the reason."""

    def __init__(self) -> None:
        self._runs: dict[str, Contender] = {}
        self._notes: dict[str, str] = {}

    def add(self, name: str, make: Callable[[], Contender], note: str = "") -> None:
        """Create a contender and call it once; if that raises, its row gives the reason.

        Parameters
        ----------
        name : name of its row.
        make : returns the function to time; importing and loading happen here.
        note : a remark for its row.
        """
        self._notes[name] = note
        try:
            run = make()
            run()
        except Exception as error:  # other libraries raise errors of any kind
            if isinstance(error, ImportError) and error.name:
                error = MissingExtraError(error.name, "peers")
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            self._notes[name] = f"not measured: {reason[:LONGEST_NOTE]}"
        else:
            self._runs[name] = run

    def rows(self, n_rounds: int) -> tuple[Row, ...]:
        """Time the contenders, and return a row for each in the order of adding."""
        took = interleaved(self._runs, n_rounds) if self._runs else {}
        return tuple(Row(name, took.get(name), {}, note) for name, note in self._notes.items())
