"""Weights of 8 bits: LSTM layers compute with them; what else there is keeps its weights in them.

ONNX Runtime has an LSTM whose products are of integers, and no such GRU. The other weights become
floats again when a file is loaded, so that a GRU computes as it did and the file alone is small:
a quarter. (DequantizeLinear would say the same, but runs anew for every clip.)
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from speech_rnn.errors import MissingExtraError

__all__ = ["to_int8"]

PART = "model/"
"""Features keep their exactness: they are computed from constants, not from weights."""
# The inputs of an operator that hold weights, and the axes over which one scale reigns.
WEIGHTS = {"GRU": (1, 2), "RNN": (1, 2), "MatMul": (1,), "Conv": (1,)}
AXES = {"GRU": (2,), "RNN": (2,), "MatMul": (0,), "Conv": (1, 2, 3)}
SMALLEST = 1024
"""Weights of fewer values save nothing."""


def to_int8(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model of `export_onnx` with weights of 8 bits, symmetric, a scale each output.

    Raises
    ------
    MissingExtraError
        without ONNX Runtime, for LSTM layers.
    """
    smaller = onnx.ModelProto()
    smaller.CopyFrom(model)
    if any(node.op_type == "LSTM" for node in model.graph.node):
        smaller = _with_integer_lstm(smaller)
    constants = {constant.name: constant for constant in smaller.graph.initializer}
    made = {}
    for node in smaller.graph.node:
        if not node.name.startswith(PART):
            continue
        for place in WEIGHTS.get(node.op_type, ()):
            name = node.input[place]
            if name in constants and np.prod(constants[name].dims) >= SMALLEST:
                made[name] = (node.op_type, numpy_helper.to_array(constants[name]))
                node.input[place] = f"{name}_float"
    nodes = []
    for name, (kind, weight) in made.items():
        values, scale = _rounded(weight, AXES[kind])
        smaller.graph.initializer.remove(constants[name])
        smaller.graph.initializer.extend(
            [
                numpy_helper.from_array(values, f"{name}_int8"),
                numpy_helper.from_array(scale, f"{name}_scale"),
            ]
        )
        whole, given = f"{name}_whole", f"{name}_int8"
        nodes += [
            helper.make_node("Cast", [given], [whole], name=whole, to=TensorProto.FLOAT),
            helper.make_node(
                "Mul", [whole, f"{name}_scale"], [f"{name}_float"], name=f"{name}_mul"
            ),
        ]
    nodes += smaller.graph.node
    del smaller.graph.node[:]
    smaller.graph.node.extend(nodes)
    return smaller


def _rounded(
    weight: NDArray[np.float32], axes: tuple[int, ...]
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return whole numbers of -127 to 127 and what they are multiplied by."""
    largest = np.abs(weight).max(axes, keepdims=True)
    scale = np.where(largest > 0, largest / 127, 1).astype(np.float32)
    return np.round(weight / scale).astype(np.int8), scale


def _with_integer_lstm(model: onnx.ModelProto) -> onnx.ModelProto:
    try:
        from onnxruntime.quantization import QuantType, quantize_dynamic
    except ImportError as error:
        raise MissingExtraError("onnxruntime", "export") from error
    # what shape inference would add is there; without this mark it warns that it is not
    helper.set_model_props(model, {"onnx.quant.pre_process": "onnxruntime.quant"})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        quantize_dynamic(
            model,
            path,
            op_types_to_quantize=["LSTM"],
            per_channel=True,
            weight_type=QuantType.QInt8,
        )
        return onnx.load(path)
