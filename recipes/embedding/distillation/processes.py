"""Training in several processes that share each batch and average their gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, distributed, nn


def in_processes(count: int, work: Callable[..., None], *arguments: Any) -> None:
    """Run `work(*arguments)` in a group of `count` processes, one of which is this process."""
    if count == 1:
        work(*arguments)
        return
    with TemporaryDirectory() as folder:
        meeting = (Path(folder) / "meeting").as_uri()
        torch.multiprocessing.spawn(_join, (count, meeting, work, arguments), nprocs=count)


def _join(
    number: int, count: int, meeting: str, work: Callable[..., None], arguments: tuple[Any, ...]
) -> None:
    distributed.init_process_group("gloo", init_method=meeting, rank=number, world_size=count)
    try:
        work(*arguments)
    finally:
        distributed.destroy_process_group()


def own_number() -> int:
    """Return the number of this process within the group, from 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def n_processes() -> int:
    """Return the number of processes in the group."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def average_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Replace gradients by their mean over all processes; a missing gradient counts as zero.

    Each gradient keeps the memory format of its parameter, because a fused optimiser reads both in
    memory order.
    """
    if n_processes() == 1:
        return
    gradients = [_gradient(parameter) for parameter in parameters]
    together = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(together)
    together /= n_processes()
    parts = together.split([gradient.numel() for gradient in gradients])
    for parameter, gradient, part in zip(parameters, gradients, parts, strict=True):
        parameter.grad = gradient.copy_(part.view(gradient.shape))


def _gradient(parameter: nn.Parameter) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
