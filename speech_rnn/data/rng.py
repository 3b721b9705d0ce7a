"""Random draws that are the same in every version of Python, and checks of their ranges.

Python guarantees reproducible results of `random.Random` for the method `random` only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import TypeVar

from speech_rnn.errors import ConfigurationError

T = TypeVar("T")


def choose(items: Sequence[T], random: Random) -> T:
    """Return one of `items`, using `Random.random` only."""
    return items[int(random.random() * len(items))]


def shuffled(items: Sequence[T], random: Random) -> list[T]:
    """Return the items in random order, using `Random.random` only."""
    return sorted(items, key=lambda item: random.random())


def check_ranges(source: object, limits: Mapping[str, tuple[float, float]]) -> None:
    """Check that parameters of `source` are None or ascending pairs within their limits.

    Raises
    ------
    ConfigurationError
        if one is not; the error names the first.
    """
    for name, (lowest, highest) in limits.items():
        pair = getattr(source, name)
        if pair is not None and (len(pair) != 2 or not lowest <= pair[0] <= pair[1] <= highest):
            raise ConfigurationError(
                f"{name}={list(pair)!r} must be the lowest and the highest value, "
                f"within {lowest:g} and {highest:g}"
            )
