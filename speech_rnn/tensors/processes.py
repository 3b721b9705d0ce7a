"""Processes that train together: which one this is, and what they sum, send and gather."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch import distributed as dist

T = TypeVar("T")


def process_of() -> tuple[int, int]:
    """Return the number of this process among those that train together, and how many there are."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def neighbours() -> int:
    """Return the number of processes on this machine that train together, with this one."""
    return int(os.environ["LOCAL_WORLD_SIZE"]) if process_of()[1] > 1 else 1


def summed(values: Tensor) -> Tensor:
    """Return the sum of a tensor over all processes; gradients flow back to each of them."""
    return values if process_of()[1] == 1 else _Sum.apply(values)


class _Sum(torch.autograd.Function):
    """The loss of every process depends on the sum, so that the gradients are summed as well."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _Sum.forward(ctx, gradient.contiguous())


def gathered(value: T) -> list[T]:
    """Return the values of all processes, in their order."""
    processes = process_of()[1]
    if processes == 1:
        return [value]
    found: list[Any] = [None] * processes
    dist.all_gather_object(found, value)
    return found


def from_first(make: Callable[[], T]) -> T:
    """Return what the first process makes; the others wait for it."""
    process, processes = process_of()
    if processes == 1:
        return make()
    sent = [make() if process == 0 else None]
    dist.broadcast_object_list(sent, src=0)
    return sent[0]  # type: ignore[return-value]
