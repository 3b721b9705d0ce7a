"""Draws that give the same in every version of Python: of `Random`, that is promised of few."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TypeVar

__all__ = ["choose"]

T = TypeVar("T")


def choose(items: Sequence[T], random: Random) -> T:
    """Return one of `items`, by `Random.random` alone."""
    return items[int(random.random() * len(items))]
