"""Memory for what lies between samples and frames, kept from piece to piece and call to call.

New memory costs a page fault every 4 kB: seven one-second clips take MFCC() 0.18 ms each with the
kept, and 0.37 ms with new for each step (processor time of one thread of a busy machine).
"""

from __future__ import annotations

import threading
from math import prod
from typing import Any

import torch
from torch import Tensor

from speech_rnn.features.definitions import tracing


class Workspace(threading.local):
    """Memory of one module, for each thread its own. A copy of it begins empty."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, torch.dtype], Tensor] = {}

    def __reduce__(self) -> tuple[type[Workspace], tuple[Any, ...]]:
        return Workspace, ()

    @staticmethod
    def suits(values: Tensor) -> bool:
        """Whether what is computed from `values` may lie here: no gradient will need it."""
        return values.device.type == "cpu" and not values.requires_grad and not tracing()

    def room(self, name: str, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Return memory of `shape` with any content; the next call with `name` reuses it."""
        size, key = prod(shape), (name, dtype)
        if key not in self._kept or self._kept[key].numel() < size:
            with torch.inference_mode(False):  # a tensor of inference mode cannot be used outside
                self._kept[key] = torch.empty(size, dtype=dtype)
        return self._kept[key][:size].view(shape)
