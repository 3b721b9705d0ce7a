"""Build a TFLite graph operator by operator; all sizes are known beforehand.

The package ``tflite`` contains the file format (FlatBuffers) generated from TensorFlow's schema, so
that TensorFlow itself is not needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech_rnn.errors import MissingExtraError

try:
    import flatbuffers
    import tflite
except ImportError as error:
    raise MissingExtraError("tflite", "pretrained") from error

SCHEMA_VERSION = 3
IDENTIFIER = b"TFL3"
ALIGNMENT = 16
"""Alignment of constants in bytes, so that an interpreter can read them in place."""


@dataclass(frozen=True)
class Tensor:
    """A tensor of a graph: its index and its shape."""

    number: int
    shape: tuple[int, ...]


@dataclass(frozen=True)
class _Operator:
    kind: str
    inputs: tuple[int, ...]
    output: int
    options: Callable[[Any], int] | None
    options_type: int


class TfliteGraph:
    """Tensors and operators of a graph under construction; each operator has one output."""

    def __init__(self) -> None:
        self._tensors: list[tuple[str, tuple[int, ...], int, int]] = []  # name, shape, type, buffer
        self._buffers: list[bytes] = [b""]  # the first is for everything that is not a constant
        self._operators: list[_Operator] = []

    def input(self, name: str, shape: Sequence[int]) -> Tensor:
        """Add the input."""
        return self._tensor(shape, name=name)

    def constant(self, values: NDArray[Any]) -> Tensor:
        """Add a constant of float32 or int32."""
        kind = tflite.TensorType.INT32 if values.dtype == np.int32 else tflite.TensorType.FLOAT32
        values = values if values.dtype == np.int32 else values.astype("<f4")
        self._buffers.append(np.ascontiguousarray(values).tobytes())
        return self._tensor(values.shape, kind=kind, buffer=len(self._buffers) - 1)

    def dense(
        self, x: Tensor, weight: NDArray[np.float32], bias: NDArray[np.float32], relu: bool = False
    ) -> Tensor:
        """Map (n, D) to (n, D') by a weight (D', D) and a bias (D',)."""
        given = [x, self.constant(weight), self.constant(bias)]
        activation = tflite.ActivationFunctionType
        chosen = {"FusedActivationFunction": activation.RELU if relu else activation.NONE}
        return self._op(
            "FULLY_CONNECTED", given, (x.shape[0], len(weight)), "FullyConnectedOptions", chosen
        )

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        """Return a + b; `b` may be (D,)."""
        return self._op("ADD", [a, b], a.shape, "AddOptions")

    def mul(self, a: Tensor, b: Tensor) -> Tensor:
        """Return a * b; `b` may be (D,)."""
        return self._op("MUL", [a, b], a.shape, "MulOptions")

    def sub(self, a: Tensor, b: Tensor) -> Tensor:
        """Return a - b."""
        return self._op("SUB", [a, b], a.shape, "SubOptions")

    def sigmoid(self, x: Tensor) -> Tensor:
        """Return 1 / (1 + exp(-x))."""
        return self._op("LOGISTIC", [x], x.shape)

    def tanh(self, x: Tensor) -> Tensor:
        """Return tanh(x)."""
        return self._op("TANH", [x], x.shape)

    def softmax(self, x: Tensor) -> Tensor:
        """Return the softmax over the last axis."""
        return self._op("SOFTMAX", [x], x.shape, "SoftmaxOptions", {"Beta": 1.0})

    def concat(self, parts: Sequence[Tensor], axis: int) -> Tensor:
        """Join tensors (n, D) along an axis."""
        shape = list(parts[0].shape)
        shape[axis] = sum(part.shape[axis] for part in parts)
        return self._op("CONCATENATION", parts, shape, "ConcatenationOptions", {"Axis": axis})

    def slice(self, x: Tensor, start: Sequence[int], size: Sequence[int]) -> Tensor:
        """Return the part of `size` that begins at `start`."""
        ends = [self.constant(np.array(each, np.int32)) for each in (start, size)]
        return self._op("SLICE", [x, *ends], size, "SliceOptions")

    def reshape(self, x: Tensor, shape: Sequence[int]) -> Tensor:
        """Return the same values in another shape."""
        return self._op(
            "RESHAPE", [x, self.constant(np.array(shape, np.int32))], shape, "ReshapeOptions"
        )

    def transpose(self, x: Tensor) -> Tensor:
        """Map (n, D) to (D, n)."""
        order = self.constant(np.array([1, 0], np.int32))
        return self._op("TRANSPOSE", [x, order], x.shape[::-1], "TransposeOptions")

    def matmul(self, a: Tensor, b: Tensor) -> Tensor:
        """Map (n, K) and (K, D) to (n, D)."""
        shape = (a.shape[0], b.shape[1])
        return self._op("BATCH_MATMUL", [a, b], shape, "BatchMatMulOptions")

    def reduce(self, x: Tensor, kind: str) -> Tensor:
        """Map (n, D) to (1, D) by ``MEAN`` or ``REDUCE_MAX``."""
        axis = self.constant(np.array([0], np.int32))
        return self._op(kind, [x, axis], (1, x.shape[1]), "ReducerOptions", {"KeepDims": True})

    def content(self, given: Tensor, result: Tensor) -> bytes:
        """Return the file of the graph from an input to an output."""
        builder = flatbuffers.Builder(1024)
        buffers = [self._written_buffer(builder, content) for content in self._buffers]
        kinds = list(dict.fromkeys(operator.kind for operator in self._operators))
        codes = [_code(builder, kind) for kind in kinds]
        graph = self._written_graph(builder, kinds, given, result)
        description = builder.CreateString("speech_rnn")
        parts = {
            "OperatorCodes": _offsets(builder, tflite.ModelStartOperatorCodesVector, codes),
            "Subgraphs": _offsets(builder, tflite.ModelStartSubgraphsVector, [graph]),
            "Buffers": _offsets(builder, tflite.ModelStartBuffersVector, buffers),
            "Description": description,
            "Version": SCHEMA_VERSION,
        }
        builder.Finish(_table(builder, "Model", parts), IDENTIFIER)
        return bytes(builder.Output())

    def _tensor(
        self,
        shape: Sequence[int],
        *,
        kind: int = tflite.TensorType.FLOAT32,
        buffer: int = 0,
        name: str = "",
    ) -> Tensor:
        number = len(self._tensors)
        self._tensors.append((name or f"tensor_{number}", tuple(shape), kind, buffer))
        return Tensor(number, tuple(shape))

    def _op(
        self,
        kind: str,
        given: Sequence[Tensor],
        shape: Sequence[int],
        options: str = "",
        chosen: dict[str, Any] | None = None,
    ) -> Tensor:
        output = self._tensor(shape)
        inputs = tuple(tensor.number for tensor in given)
        if not options:
            self._operators.append(_Operator(kind, inputs, output.number, None, 0))
            return output
        number = getattr(tflite.BuiltinOptions, options)

        def write(builder: Any) -> int:
            return _table(builder, options, chosen or {})

        self._operators.append(_Operator(kind, inputs, output.number, write, number))
        return output

    def _written_graph(
        self, builder: Any, kinds: Sequence[str], given: Tensor, result: Tensor
    ) -> int:
        tensors = [_written_tensor(builder, *tensor) for tensor in self._tensors]
        operators = [_written_operator(builder, kinds, each) for each in self._operators]
        parts = {
            "Tensors": _offsets(builder, tflite.SubGraphStartTensorsVector, tensors),
            "Operators": _offsets(builder, tflite.SubGraphStartOperatorsVector, operators),
            "Inputs": _numbers(builder, [given.number]),
            "Outputs": _numbers(builder, [result.number]),
        }
        return _table(builder, "SubGraph", parts)

    @staticmethod
    def _written_buffer(builder: Any, content: bytes) -> int:
        if not content:
            return _table(builder, "Buffer", {})
        builder.Prep(ALIGNMENT, len(content))  # align the data of the vector
        return _table(builder, "Buffer", {"Data": builder.CreateByteVector(content)})


def _table(builder: Any, name: str, parts: dict[str, Any]) -> int:
    """Write a table of the schema, after everything to which its fields point."""
    getattr(tflite, f"{name}Start")(builder)
    for field, value in parts.items():
        getattr(tflite, f"{name}Add{field}")(builder, value)
    offset: int = getattr(tflite, f"{name}End")(builder)
    return offset


def _offsets(builder: Any, start: Callable[[Any, int], Any], offsets: Sequence[int]) -> int:
    start(builder, len(offsets))
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    vector: int = builder.EndVector()
    return vector


def _numbers(builder: Any, numbers: Sequence[int]) -> int:
    vector: int = builder.CreateNumpyVector(np.array(numbers, "<i4"))
    return vector


def _code(builder: Any, kind: str) -> int:
    number = getattr(tflite.BuiltinOperator, kind)
    # Readers of old files use the first field; codes above one byte need the second.
    parts = {"DeprecatedBuiltinCode": min(number, 127), "BuiltinCode": number, "Version": 1}
    return _table(builder, "OperatorCode", parts)


def _written_tensor(builder: Any, name: str, shape: tuple[int, ...], kind: int, buffer: int) -> int:
    parts = {
        "Shape": _numbers(builder, shape),
        "Name": builder.CreateString(name),
        "Type": kind,
        "Buffer": buffer,
    }
    return _table(builder, "Tensor", parts)


def _written_operator(builder: Any, kinds: Sequence[str], operator: _Operator) -> int:
    parts = {
        "Inputs": _numbers(builder, operator.inputs),
        "Outputs": _numbers(builder, [operator.output]),
        "OpcodeIndex": kinds.index(operator.kind),
    }
    if operator.options is not None:
        parts["BuiltinOptions"] = operator.options(builder)
        parts["BuiltinOptionsType"] = operator.options_type
    return _table(builder, "Operator", parts)
