"""Draws that give the same in every version of Python: of `Random`, that is promised of few."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TypeVar

__all__ = ["choose", "shuffled"]

T = TypeVar("T")


def choose(items: Sequence[T], random: Random) -> T:
    """Return one of `items`, by `Random.random` alone."""
    return items[int(random.random() * len(items))]


def shuffled(items: Sequence[T], random: Random) -> list[T]:
    """Return items in another order, by `Random.random` alone."""
    return sorted(items, key=lambda item: random.random())
