"""Contenders take turns, so that whatever else the machine does slows all of them alike."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from speech_rnn.errors import ConfigurationError

__all__ = ["Contender", "Times", "interleaved", "told", "turns"]

Contender = Callable[[], object]

UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))

LEAST_SECONDS = 0.01
"""A turn of something quicker is several calls, so that the clock and a cold cache do not tell."""
TRIES = 4
"""Calls of something quick that tell how quick it is: a busy machine may hold one of them up."""


@dataclass(frozen=True)
class Times:
    """Seconds a call, of each turn; the median and both quartiles of them.

    Raises
    ------
    ConfigurationError
        for no times.
    """

    seconds: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.seconds:
            raise ConfigurationError("seconds=() must hold a time or more")

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.seconds)

    @property
    def quartiles(self) -> tuple[float, float]:
        """A quarter of the times are below the first, and a quarter above the second."""
        if len(self.seconds) == 1:
            return self.seconds[0], self.seconds[0]
        low, _, high = statistics.quantiles(self.seconds, n=4, method="inclusive")
        return low, high

    def per(self, n: int) -> Times:
        """Return the times of one of `n` things that a call does."""
        return Times(tuple(seconds / n for seconds in self.seconds))


def told(seconds: float) -> str:
    """Return a time as people say it: three digits, in s, ms or µs."""
    size, unit = next(((size, unit) for size, unit in UNITS if seconds >= size), UNITS[-1])
    digits = seconds / size
    return f"{digits:.0f} {unit}" if digits >= 100 else f"{digits:.3g} {unit}"


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

    Each is called a few times before, to warm up and to learn how many calls make a turn; a turn
    of several calls begins with one that is not timed.

    Parameters
    ----------
    contenders : by name.
    n_rounds : turns of each.
    least_seconds : a turn takes at least about so long.
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
