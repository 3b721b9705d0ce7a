"""8-bit weights: convolutions and LSTM layers compute in 8 bits; other layers only store them so.

Layers that compute in 8 bits use only 7 of them, so that products of bytes do not saturate on
processors without VNNI. With 8 bits, an LSTM of 128 units was off by 0.03 there, with logits up to
0.6; with 7 it is exact.

The inputs and outputs of convolutions have 8 bits as well; their ranges come from clips. ONNX
Runtime has an integer LSTM, but no such GRU. The matrices of a Transformer multiply integers too,
quantized dynamically: a second of sound takes 7 ms rather than 14 in Whisper's encoder, with logits
30 dB or more above the error (a random head, three clips). All other weights are converted to
floats when a file is loaded, so that a GRU computes as before, and only the file is smaller: a
third. (DequantizeLinear would be equivalent, but runs anew for every clip.)
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import quantization

from speech_rnn.errors import ConfigurationError

PART = "model/"
"""Prefix of the nodes to quantize; features stay exact, because they consist of constants."""
TRANSFORMER = f"{PART}front/transformer/"
"""Prefix of a Transformer's nodes; its matrices are large enough for dynamic quantization."""
# The inputs of an operator that hold weights, and the axes over which one scale is shared.
WEIGHTS = {"GRU": (1, 2), "RNN": (1, 2), "MatMul": (1,)}
AXES = {"GRU": (2,), "RNN": (2,), "MatMul": (0,)}
AROUND = ("Clip", "LeakyRelu", "Relu", "MaxPool")
"""Operators between convolutions that can stay in 8 bits."""
SMALLEST = 1024
"""Fewest values of a weight to quantize; smaller ones save nothing."""


def needs_ranges(model: onnx.ModelProto) -> bool:
    """Return whether a model has convolutions, whose 8-bit values need ranges."""
    return bool(_convolutions(model))


def to_int8(
    model: onnx.ModelProto, runs: Iterable[Mapping[str, NDArray[Any]]] = ()
) -> onnx.ModelProto:
    """Return a model of `export_onnx` with symmetric 8-bit weights, one scale per output.

    Parameters
    ----------
    model : model with float weights.
    runs : inputs of the model, run by run, from which ranges of values are determined.

    Raises
    ------
    ConfigurationError
        if there are convolutions but no runs.
    """
    smaller = onnx.ModelProto()
    smaller.CopyFrom(model)
    if convolutions := _convolutions(smaller):
        runs = list(runs)
        if not runs:
            raise ConfigurationError(
                "int8=True: convolutions need clips, which show the range of their values; give "
                "some"
            )
        around = [node.name for node in _nodes(smaller) if node.op_type in AROUND]
        smaller = _quantized(
            smaller,
            quantization.quantize_static,
            calibration_data_reader=_Runs(runs),
            nodes_to_quantize=[*convolutions, *around],
            activation_type=quantization.QuantType.QUInt8,
        )
    if any(node.op_type == "LSTM" for node in model.graph.node):
        smaller = _quantized(smaller, quantization.quantize_dynamic, op_types_to_quantize=["LSTM"])
    if matrices := _matrices(smaller):
        smaller = _quantized(smaller, quantization.quantize_dynamic, nodes_to_quantize=matrices)
    _keep_in_int8(smaller)
    return smaller


def _nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """Yield the nodes that have weights."""
    return (node for node in model.graph.node if node.name.startswith(PART))


def _keep_in_int8(model: onnx.ModelProto) -> None:
    """Store the remaining weights in 8 bits; they become floats when the file is loaded."""
    graph = model.graph
    constants = {constant.name: constant for constant in graph.initializer}
    kept = {}
    for node in _nodes(model):
        for place in WEIGHTS.get(node.op_type, ()):
            name = node.input[place]
            if name in constants and np.prod(constants[name].dims) >= SMALLEST:
                kept[name] = AXES[node.op_type]
                node.input[place] = f"{name}_float"
    nodes = []
    for name, axes in kept.items():
        values, scale = _rounded(numpy_helper.to_array(constants[name]), axes)
        small, scaled, whole = (f"{name}_{end}" for end in ("int8", "scale", "whole"))
        graph.initializer.remove(constants[name])
        graph.initializer.append(numpy_helper.from_array(values, small))
        graph.initializer.append(numpy_helper.from_array(scale, scaled))
        nodes += [
            helper.make_node("Cast", [small], [whole], name=whole, to=TensorProto.FLOAT),
            helper.make_node("Mul", [whole, scaled], [f"{name}_float"], name=f"{name}_mul"),
        ]
    nodes += graph.node
    del graph.node[:]
    graph.node.extend(nodes)


def _rounded(
    weight: NDArray[np.float32], axes: tuple[int, ...]
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return integers from -127 to 127, and their scales."""
    largest = np.abs(weight).max(axes, keepdims=True)
    scale = np.where(largest > 0, largest / 127, 1).astype(np.float32)
    return np.round(weight / scale).astype(np.int8), scale


class _Runs:
    """The runs in the form of ONNX Runtime's calibration data readers."""

    def __init__(self, runs: Iterable[Mapping[str, NDArray[Any]]]) -> None:
        self._left = iter(runs)

    def get_next(self) -> Mapping[str, NDArray[Any]] | None:
        return next(self._left, None)


def _convolutions(model: onnx.ModelProto) -> list[str]:
    """Return the names of convolutions with enough weights."""
    sizes = {constant.name: np.prod(constant.dims) for constant in model.graph.initializer}
    return [
        node.name
        for node in _nodes(model)
        if node.op_type == "Conv" and sizes[node.input[1]] >= SMALLEST
    ]


def _matrices(model: onnx.ModelProto) -> list[str]:
    """Return the names of a Transformer's matrix products with weights."""
    constants = {constant.name for constant in model.graph.initializer}
    return [
        node.name
        for node in _nodes(model)
        if node.op_type == "MatMul"
        and node.name.startswith(TRANSFORMER)
        and constants.issuperset(node.input[1:])
    ]


def _quantized(
    model: onnx.ModelProto, quantize: Callable[..., None], **options: Any
) -> onnx.ModelProto:
    # Shape inference would add nothing here; without this mark, a warning recommends it.
    helper.set_model_props(model, {"onnx.quant.pre_process": "onnxruntime.quant"})
    # 7 bits where bytes are multiplied: a processor without VNNI adds two products of an unsigned
    # and a signed byte in 16 bits, which would saturate and change the result.
    weights = {
        "per_channel": True,
        "reduce_range": True,
        "weight_type": quantization.QuantType.QInt8,
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        quantize(model, path, **weights, **options)
        return onnx.load(path)
