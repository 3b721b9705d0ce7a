"""Build an ONNX graph node by node; constants are created where they are used."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech_rnn.engines.onnx_format import METADATA_KEY, NEXT, STATE, StateDescription
from speech_rnn.errors import MissingExtraError

try:
    import onnx
    from onnx import TensorProto, helper, numpy_helper
except ImportError as error:
    raise MissingExtraError("onnx", "export") from error

OPSET = 18
"""The oldest opset with all operators in use: files run with ONNX Runtime 1.14 or newer."""

TYPES = {
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
    "int64": TensorProto.INT64,
    "int32": TensorProto.INT32,
    "bool": TensorProto.BOOL,
}


def describe(model: onnx.ModelProto, description: dict[str, Any]) -> None:
    """Set the metadata of a model, replacing any that it has."""
    del model.metadata_props[:]
    helper.set_model_props(model, {METADATA_KEY: json.dumps(description)})


def _operator(kind: str) -> tuple[Callable[..., Value], Callable[..., Value]]:
    """Return two methods that add a node of two inputs, with the value on the left or the right."""
    return (
        lambda value, other: value.graph.op(kind, value, other),
        lambda value, other: value.graph.op(kind, other, value),
    )


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor of a graph. Its operators add nodes; ``/`` and ``//`` both are ONNX's Div."""

    graph: Graph
    name: str

    __array_ufunc__ = None  # let an array on the left defer to this class
    __add__, __radd__ = _operator("Add")
    __sub__, __rsub__ = _operator("Sub")
    __mul__, __rmul__ = _operator("Mul")
    __truediv__, __rtruediv__ = _operator("Div")
    __floordiv__, __rfloordiv__ = _operator("Div")
    __mod__, __rmod__ = _operator("Mod")
    __pow__, __rpow__ = _operator("Pow")
    __lt__, __gt__ = _operator("Less")

    def __neg__(self) -> Value:
        return self.graph.op("Neg", self)

    def clamp(self, low: Given = None, high: Given = None) -> Value:
        """Clip the value to the given bounds."""
        value = self if high is None else self.graph.op("Min", self, high)
        return value if low is None else self.graph.op("Max", value, low)


Given = Value | NDArray[Any] | Sequence[int] | int | float | None


class Graph:
    """Nodes, constants, inputs and outputs of a graph under construction.

    Attributes
    ----------
    states : the states that `state` has added.
    """

    def __init__(self) -> None:
        self.states: list[StateDescription] = []
        self._nodes: list[Any] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], Any] = {}
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._part = ""

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Prefix the names of nodes with `name`."""
        before, self._part = self._part, f"{self._part}{name}/"
        yield
        self._part = before

    def op(self, kind: str, *given: Given, **attributes: Any) -> Value:
        """Add a node with one output; arrays and numbers become constants, None omits an input."""
        return self.ops(kind, *given, n_outputs=1, **attributes)[0]

    def ops(self, kind: str, *given: Given, n_outputs: int, **attributes: Any) -> list[Value]:
        """Add a node with several outputs."""
        name = f"{self._part}{kind}_{len(self._nodes)}"
        outputs = [f"{name}_{number}" for number in range(n_outputs)]
        inputs = [self._name(each) for each in given]
        self._nodes.append(helper.make_node(kind, inputs, outputs, name=name, **attributes))
        return [Value(self, output) for output in outputs]

    def exp(self, value: Value) -> Value:
        """Return the exponential of a value; that of a logarithm is the logarithm's input."""
        made = next((node for node in self._nodes if value.name in node.output), None)
        if made is not None and made.op_type == "Log":
            return Value(self, made.input[0])
        return self.op("Exp", value)

    def size(self, value: Value, axis: int) -> Value:
        """Return the length of an axis, (1,) int64."""
        end = {} if axis == -1 else {"end": axis + 1}
        return self.op("Shape", value, start=axis, **end)

    def pad_end(self, steps: Value, missing: Value, rank: int = 3) -> Value:
        """Append `missing` zeros (1,) along axis 1 of a tensor."""
        # Pad's own axes are not used: ONNX Runtime 1.32 loses them when it moves a transposition.
        none = [0] * (rank - 1)
        return self.op("Pad", steps, self.op("Concat", [0, *none, 0], missing, none[1:], axis=0))

    def cast(self, value: Value, dtype: str) -> Value:
        """Convert `value` to a type given by its numpy name."""
        return self.op("Cast", value, to=TYPES[dtype])

    def steps(self, start: Given, stop: Given) -> Value:
        """Return the integers from `start` up to, not including, `stop`: (n,) int64."""
        return self.op("Range", self._scalar(start), self._scalar(stop), 1)

    def input(self, name: str, dtype: str, shape: Sequence[int | str | None]) -> Value:
        """Add an input; names in its shape are variable sizes."""
        self._inputs.append(helper.make_tensor_value_info(name, TYPES[dtype], list(shape)))
        return Value(self, name)

    def output(
        self, name: str, value: Value, dtype: str, shape: Sequence[int | str | None]
    ) -> None:
        """Make `value` an output."""
        self._nodes.append(helper.make_node("Identity", [value.name], [name], name=f"{name}_out"))
        self._outputs.append(helper.make_tensor_value_info(name, TYPES[dtype], list(shape)))

    def state(
        self, name: str, shape: Sequence[int], dtype: str = "float32", free: int | None = None
    ) -> Value:
        """Add a state that begins as zeros of `shape`; the length of axis `free` may change."""
        self.states.append(StateDescription(name, tuple(shape), dtype))
        sizes = [f"{name}_length" if axis == free else size for axis, size in enumerate(shape)]
        return self.input(STATE + name, dtype, sizes)

    def next_state(self, name: str, value: Value) -> None:
        """Set the value of the state `name` for the next run."""
        state = next(each for each in self.states if each.name == name)
        self.output(NEXT + name, value, state.dtype, [None] * len(state.shape))

    def model(self) -> onnx.ModelProto:
        """Return the graph as a model, without nodes on which no output depends."""
        nodes: list[Any] = []
        needed = {output.name for output in self._outputs}
        for node in reversed(self._nodes):  # a node comes after all of its inputs
            if needed.intersection(node.output):
                nodes.insert(0, node)
                needed.update(node.input)
        opset = helper.make_opsetid("", OPSET)
        constants = [each for each in self._constants.values() if each.name in needed]
        graph = helper.make_graph(
            nodes,
            "speech_rnn",
            self._inputs,
            sorted(self._outputs, key=lambda output: output.name.startswith(NEXT)),
            initializer=constants,
        )
        return helper.make_model(
            graph,
            producer_name="speech_rnn",
            opset_imports=[opset],
            ir_version=helper.find_min_ir_version_for([opset]),
        )

    def _scalar(self, given: Given) -> Given:
        return self.op("Squeeze", given) if isinstance(given, Value) else given

    def _name(self, given: Given) -> str:
        if given is None:
            return ""
        if isinstance(given, Value):
            return given.name
        if type(given) is float:  # numpy's floats keep their type
            given = np.float32(given)
        array = np.asarray(given)
        array = np.ascontiguousarray(array).reshape(array.shape)
        if array.dtype.kind == "i" and array.dtype != np.int32:
            array = array.astype(np.int64)
        key = (str(array.dtype), array.shape, array.tobytes())
        if key not in self._constants:
            name = f"constant_{len(self._constants)}"
            self._constants[key] = numpy_helper.from_array(array, name)
        return self._constants[key].name
