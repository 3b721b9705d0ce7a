"""Check the weights of a file against its description before memory is allocated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from speech_rnn.errors import ModelError

MOST = 2**20
"""Largest whole number in a description. Sizes of the network must also fit its weights."""


def check_sizes(settings: Mapping[str, Any], n_tensors: int) -> None:
    """Raise for absurd numbers, and for more layers than there are weights.

    Raises
    ------
    ModelError
        if there is a problem; the error names the first one.
    """
    for name, value in settings.items():
        numbers = value if isinstance(value, (list, tuple)) else [value]
        if any(isinstance(number, int) and abs(number) > MOST for number in numbers):
            raise ModelError(f"{name}={value!s:.40} is above the limit of {MOST}")
    n_layers = settings.get("n_layers", 1)
    if n_layers > n_tensors:
        raise ModelError(f"n_layers={n_layers} are more than its {n_tensors} tensors")


def check_weights(
    build: Callable[[], nn.Module], weights: Mapping[str, Tensor], prefix: str = ""
) -> None:
    """Raise for weights with shapes other than the network's, and for NaN or infinite values.

    Parameters
    ----------
    build : function that builds the network; it is called in a mode without memory.
    weights : weights by name, with `prefix` before the network's names; others are ignored.

    Raises
    ------
    ModelError
        if there is a problem; the error names the first one.
    """
    for name, tensor in weights.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise ModelError(f"{name} holds NaN or infinite values: it is damaged; train it again")
    with torch.device("meta"):
        shapes = {f"{prefix}{name}": own.shape for name, own in build().state_dict().items()}
    for name, shape in shapes.items():
        if name not in weights or weights[name].shape != shape:
            given = tuple(weights[name].shape) if name in weights else "no values"
            raise ModelError(f"{name} has {given} where its settings need {tuple(shape)}")
