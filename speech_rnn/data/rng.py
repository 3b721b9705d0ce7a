"""Draws that are the same in every version of Python, and checks of their ranges.

Of `random.Random`, Python promises that for `random` alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import TypeVar

from speech_rnn.errors import ConfigurationError

T = TypeVar("T")


def choose(items: Sequence[T], random: Random) -> T:
    """Return one of `items`, by `Random.random` alone."""
    return items[int(random.random() * len(items))]


def shuffled(items: Sequence[T], random: Random) -> list[T]:
    """Return items in another order, by `Random.random` alone."""
    return sorted(items, key=lambda item: random.random())


def check_ranges(source: object, limits: Mapping[str, tuple[float, float]]) -> None:
    """Refuse parameters of `source` that are no ascending pair within their limits, or None.

    Raises
    ------
    ConfigurationError
        for the first that is none.
    """
    for name, (lowest, highest) in limits.items():
        pair = getattr(source, name)
        if pair is not None and (len(pair) != 2 or not lowest <= pair[0] <= pair[1] <= highest):
            raise ConfigurationError(
                f"{name}={list(pair)!r} must be the lowest and the highest value, "
                f"within {lowest:g} and {highest:g}"
            )
