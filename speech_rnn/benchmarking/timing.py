"""Time contenders in turns, so that whatever else the machine does slows all of them alike."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from speech_rnn.benchmarking.results import Row, Times
from speech_rnn.errors import ConfigurationError, MissingExtraError

Contender = Callable[[], object]

LEAST_SECONDS = 0.01
"""A turn of a quicker contender is several calls: one is too short for clock and caches."""
TRIES = 4
"""Calls of a quick contender that estimate its time: a busy machine may hold up one of them."""
LONGEST_NOTE = 200


def turns(names: Iterable[str], n_rounds: int) -> Iterator[str]:
    """Yield all names once in each round, every second round backwards."""
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

    Each is called a few times before, to warm up and to choose how many calls make a turn; a turn
    of several calls begins with one that is not timed.

    Parameters
    ----------
    contenders : by name.
    n_rounds : turns of each.
    least_seconds : shortest duration of a turn, about.
    clock : returns seconds.

    Raises
    ------
    ConfigurationError
        for fewer than one round.
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
        if quickest < 10 * least_seconds:  # else one call is a turn, whatever held it up
            quickest = min(quickest, *(timed(run, 1) for _ in range(TRIES)))
        calls[name] = max(1, math.ceil(least_seconds / max(quickest, 1e-9)))
    took: dict[str, list[float]] = {name: [] for name in contenders}
    for name in turns(contenders, n_rounds):
        if calls[name] > 1:  # else what ran before would warm the caches for some, not for others
            contenders[name]()
        took[name].append(timed(contenders[name], calls[name]))
    return {name: Times(tuple(seconds)) for name, seconds in took.items()}


class Candidates:
    """Contenders of which some may be missing: their rows say why, and the others are timed."""

    def __init__(self) -> None:
        self._runs: dict[str, Contender] = {}
        self._notes: dict[str, str] = {}

    def add(self, name: str, make: Callable[[], Contender], note: str = "") -> None:
        """Make a contender and call it once; if it raises, its row will say why.

        Parameters
        ----------
        name : name of its row.
        make : returns what is timed; imports and loading belong here.
        note : a remark for its row.
        """
        self._notes[name] = note
        try:
            run = make()
            run()
        except Exception as error:  # whatever another library raises
            if isinstance(error, ImportError) and error.name:
                error = MissingExtraError(error.name, "peers")
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            self._notes[name] = f"not measured: {reason[:LONGEST_NOTE]}"
        else:
            self._runs[name] = run

    def rows(self, n_rounds: int) -> tuple[Row, ...]:
        """Time them and return a row each, in the order in which they were added."""
        took = interleaved(self._runs, n_rounds) if self._runs else {}
        return tuple(Row(name, took.get(name), {}, note) for name, note in self._notes.items())
