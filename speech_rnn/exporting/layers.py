"""PyTorch weights as constants of a graph, and layers that several parts share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from speech_rnn.exporting.graph import Graph, Value
from speech_rnn.model.layers import MaskedBatchNorm


def as_array(tensor: Tensor) -> NDArray[np.float32]:
    """Return a weight as a numpy array."""
    return tensor.detach().cpu().float().contiguous().numpy()


def linear(graph: Graph, layer: nn.Linear, values: Value) -> Value:
    """Map (..., D) to (..., D')."""
    product = graph.op("MatMul", values, as_array(layer.weight.T))
    return product if layer.bias is None else product + as_array(layer.bias)


def normalize(
    graph: Graph, normalization: MaskedBatchNorm, values: Value, shape: tuple[int, ...]
) -> Value:
    """Normalise by the running statistics, reshaped to `shape` for the axis of channels."""
    mean, variance = normalization.running_mean, normalization.running_var
    assert mean is not None
    assert variance is not None
    scale = normalization.weight * (variance + normalization.eps).rsqrt()
    shift = normalization.bias - mean * scale
    return values * as_array(scale).reshape(shape) + as_array(shift).reshape(shape)
