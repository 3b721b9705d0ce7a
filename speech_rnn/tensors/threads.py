"""The number of threads with which PyTorch computes one operation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute each operation with one thread, and with as many as before in the end.

    More threads do not make the operations of small networks faster, and they are several times
    slower if another program uses one of the processor's cores.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
